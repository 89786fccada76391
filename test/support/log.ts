import { pino } from 'pino';

/** Silent unless `TEST_LOG` says how much to tell. */
export const log = pino({ level: process.env.TEST_LOG ?? 'silent' }, pino.destination(2));
