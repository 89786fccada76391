import { type Logger, pino } from 'pino';

export type { Logger };

/** JSON lines on stderr: standard output belongs to what a command prints. */
export function createLogger(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      redact: {
        paths: ['*.token', '*.apiKey', '*.authorization', '*.headers.authorization'],
        censor: '[secret]',
      },
    },
    pino.destination(2),
  );
}
