import { loadConfig } from '../../src/platform/config.ts';
import { type ConfigError, isConfigError } from '../../src/platform/config-error.ts';

export type Variables = Readonly<Record<string, string>>;

export const TOKEN = 'cmux@pve!lifecycle=pve-secret';
export const SERVICE = { REDIS_URL: 'redis://:redis-secret@10.0.0.1:6379', DEPLOYMENT: 'production' };
export const PVE = { PVE_API_URL: 'https://pve.example.com:8006', PVE_API_TOKEN: TOKEN, PVE_NODE: 'pve1' };
export const MORPH = { MORPH_API_KEY: 'morph-secret' };
export const ALL = { ...SERVICE, ...PVE, ...MORPH };

/** What `loadConfig` has to complain about. */
export function errorOf(variables: Variables): ConfigError {
  try {
    loadConfig(variables);
  } catch (error) {
    if (isConfigError(error)) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

/** The settings complained about, in order. */
export function complaints(variables: Variables): readonly string[] {
  return errorOf(variables).problems.map(({ setting }) => setting);
}
