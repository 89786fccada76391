import { z } from 'zod';
import { IDLE_MODES } from '../core/idle-policy.ts';
import * as read from './config-values.ts';

/** Proxmox takes ids from 100 to 999999999. */
const PVE_VMIDS = [100, 999_999_999] as const;
const WEAK_SECRET = 'it is shorter than 32 characters, or holds a space';

/** What Proxmox hands to cloud-init; none of them is a secret of ours. */
const CLOUD_INIT_KEYS = /^(ciuser|sshkeys|nameserver|searchdomain|cicustom|citype|ciupgrade|ipconfig\d+)$/;

/**
 * The one schema of the environment: every variable that is read, with what it is turned into. Rules that
 * look at more than one variable are in `config-routing.ts` and `config-providers.ts`.
 */
export const environmentSchema = z.object({
  SANDBOX_PROVIDER: read.text.optional(),
  SANDBOX_PRIMARY_PROVIDER: read.text.optional(),
  SANDBOX_FALLBACK_PROVIDERS: read.list.optional(),
  SANDBOX_ROUTE_DEV: read.text.optional(),
  SANDBOX_ROUTE_PROD: read.text.optional(),
  SANDBOX_ROUTE_EPHEMERAL: read.text.optional(),
  SANDBOX_ROUTE_QUICK_TASK: read.text.optional(),
  SANDBOX_ROUTE_LONG_RUNNING: read.text.optional(),
  SANDBOX_ROLLOUT: read.namedNumbers(0, 1_000_000).optional(),
  SANDBOX_ROLLOUT_KEY: read.oneOf(['sandbox', 'user', 'team']).default('sandbox'),
  SANDBOX_PRESETS_FILE: read.text.optional(),
  SANDBOX_PORTS: read.namedNumbers(1, 65_535).optional(),

  PROXMOX_KVM_ENABLED: read.flag.optional(),
  PROXMOX_LXC_ENABLED: read.flag.optional(),
  PROXMOX_DEFAULT: read.oneOf(['vm', 'kvm', 'lxc']).optional(),
  PROXMOX_USE_KVM: read.flag.optional(),

  PVE_API_URL: read.pveUrl.optional(),
  PVE_API_TOKEN: read
    .matching(
      /^[^\s!=]+@[A-Za-z][\w.-]*![A-Za-z][\w.-]*=\S+$/,
      'it does not have the shape user@realm!name=secret',
    )
    .optional(),
  PVE_NODE: read.list.optional(),
  PVE_CORDONED_NODES: read.list.default([]),
  PVE_HOST_RESERVE_MIB: read.wholeNumber(0, 1_048_576).default(2_048),
  PVE_RESUME_RESERVE: read.percentage.default(10),
  PVE_LXC_EXEC_TOKEN: read.flag.default(false),
  PVE_SET_CLOCK: read.flag.default(false),
  PVE_CLOUD_INIT: read.namedTexts(CLOUD_INIT_KEYS).optional(),
  PVE_PUBLIC_DOMAIN: read
    .matching(/^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+$/i, 'this is no domain name')
    .optional(),
  PVE_VERIFY_TLS: read.flag.default(true),
  PVE_CA_FILE: read.text.optional(),
  PVE_TLS_FINGERPRINT: read
    .matching(/^([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i, 'this is no SHA-256 fingerprint of 32 bytes in hex')
    .optional(),
  PVE_VMID_RANGE: read.numberRange(...PVE_VMIDS).default({ first: 20_000, last: 29_999 }),

  SECRETS_KEY: read.matching(/^[0-9a-f]{64}$/i, 'it is not 64 hex digits').optional(),
  MORPH_API_KEY: read.matching(/^\S+$/, 'it holds a space or a line break').optional(),
  MORPH_API_BASE_URL: read.apiUrl.default('https://cloud.morph.so/api'),
  MORPH_DEAD_MAN_SECONDS: read.wholeNumber(0, 604_800).default(14_400),
  MORPH_WAKE_ON: read.list.default([]),

  REDIS_URL: read.redisUrl.optional(),
  REDIS_DURABILITY: read.oneOf(['aof', 'managed']).default('aof'),
  DEPLOYMENT: read
    .matching(
      /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/,
      'only a-z, 0-9 and inner hyphens, at most 32 characters',
    )
    .optional(),

  LIFECYCLE_WEBHOOK_URL: read.callbackUrl.optional(),
  LIFECYCLE_WEBHOOK_SECRET: read.matching(/^\S{32,}$/, WEAK_SECRET).optional(),
  LIFECYCLE_WEBHOOK_SECRET_PREVIOUS: read.matching(/^\S{32,}$/, WEAK_SECRET).optional(),

  HOST: read.matching(/^[\w.:-]+$/, 'this is no host name or address').default('127.0.0.1'),
  PORT: read.wholeNumber(0, 65_535).default(8787),
  HEALTH_PORT: read.wholeNumber(0, 65_535).optional(),
  PUBLIC_URL: read.apiUrl.optional(),
  TRUST_PROXY: read.flag.default(false),
  LOG_LEVEL: read.oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  DATA_DIR: read.text.default('.data'),
  LEDGER_DIR: read.text.optional(),
  PRICE_BOOK_FILE: read.text.optional(),
  BUDGETS_FILE: read.text.optional(),

  WORKER_CONCURRENCY: read.wholeNumber(1, 1_000).default(8),
  PROVIDER_CONCURRENCY: read.wholeNumber(1, 10_000).default(16),
  SWEEP_TIME_ZONE: read.timeZone.default('UTC'),
  FALLBACK_ALERT_SHARE: read.percentage.default(50),
  FALLBACK_ALERT_WINDOW_MINUTES: read.wholeNumber(5, 1_440).default(360),
  AUTOMATIC_DESTRUCTION: read.oneOf(['on', 'off']).default('on'),
  BILLING_ALERT_SHARE: read.percentage.default(5),
  BILLING_ALERT_USD: read.wholeNumber(0, 1_000_000).default(1),
  MAX_HOLD_SECONDS: read.wholeNumber(60, 604_800).default(14_400),
  IDLE_MODE: read.oneOf(IDLE_MODES).default('shadow'),
  IDLE_AFTER_SECONDS: read.namedNumbers(60, 31_536_000).optional(),
  IDLE_UNKNOWN_AFTER_SECONDS: read.namedNumbers(60, 31_536_000).optional(),
  IDLE_RETAIN_PAUSED_DAYS: read.wholeNumber(1, 3_650).optional(),
  IDLE_ENFORCE_UNPROVEN: read.flag.default(false),
  IDLE_POLICY_FILE: read.text.optional(),
  UNKNOWN_HOLD_MS: read.wholeNumber(100, 600_000).default(10_000),
  CLONE_TIMEOUT_MS: read.wholeNumber(1_000, 7_200_000).default(300_000),
  PERMIT_WAIT_MS: read.wholeNumber(1_000, 3_600_000).default(120_000),
  USABLE_TIMEOUT_MS: read.wholeNumber(1_000, 3_600_000).default(90_000),
  START_DEADLINE_MS: read.wholeNumber(1_000, 86_400_000).default(600_000),
});

export type Environment = z.output<typeof environmentSchema>;
export type Setting = keyof Environment;

export const SETTINGS = Object.keys(environmentSchema.shape) as readonly Setting[];

const A_PROVIDER = 'use pve-vm, pve-lxc or morph';
const TRUE_OR_FALSE = 'use true or false';
const A_DURATION = 'give milliseconds, such as 10000';

/** What to do when the value of a setting cannot be read. */
export const REMEDIES: Readonly<Record<Setting, string>> = {
  SANDBOX_PROVIDER: A_PROVIDER,
  SANDBOX_PRIMARY_PROVIDER: A_PROVIDER,
  SANDBOX_FALLBACK_PROVIDERS: 'list pve-vm, pve-lxc, morph, or set it to nothing for no fallback',
  SANDBOX_ROUTE_DEV: A_PROVIDER,
  SANDBOX_ROUTE_PROD: A_PROVIDER,
  SANDBOX_ROUTE_EPHEMERAL: A_PROVIDER,
  SANDBOX_ROUTE_QUICK_TASK: A_PROVIDER,
  SANDBOX_ROUTE_LONG_RUNNING: A_PROVIDER,
  SANDBOX_ROLLOUT: 'give weights, such as pve-vm:20,morph:80',
  SANDBOX_ROLLOUT_KEY: 'use sandbox, user or team',
  SANDBOX_PRESETS_FILE: 'see docs/how-to/add-a-template.md, which has such a file',
  SANDBOX_PORTS: 'give names with ports, such as worker:39377,vscode:39378',
  PROXMOX_KVM_ENABLED: TRUE_OR_FALSE,
  PROXMOX_LXC_ENABLED: TRUE_OR_FALSE,
  PROXMOX_DEFAULT: 'use vm or lxc',
  PROXMOX_USE_KVM: TRUE_OR_FALSE,
  PVE_API_URL: 'give the address without a path, such as https://pve.example.com:8006',
  PVE_API_TOKEN:
    'make one under Datacenter → Permissions → API Tokens and join id and secret with "=": user@pve!cmux=xxxxxxxx-…',
  PVE_NODE: 'give the name of the node as Proxmox shows it, several separated by commas, or * for all',
  PVE_CORDONED_NODES: 'give names of nodes, separated by commas',
  PVE_HOST_RESERVE_MIB: 'use 2048',
  PVE_RESUME_RESERVE: 'use 10%',
  PVE_LXC_EXEC_TOKEN: TRUE_OR_FALSE,
  PVE_SET_CLOCK: TRUE_OR_FALSE,
  PVE_CLOUD_INIT:
    "give name=value pairs separated by semicolons, such as ciuser=cmux;ipconfig0=ip=dhcp, of Proxmox's own names",
  PVE_PUBLIC_DOMAIN: 'give the domain under which sandboxes are reached, such as sandboxes.example.com',
  PVE_VERIFY_TLS: TRUE_OR_FALSE,
  PVE_CA_FILE: 'give a readable PEM file; on the node it is /etc/pve/pve-root-ca.pem',
  PVE_TLS_FINGERPRINT: 'copy the fingerprint from Proxmox: node → System → Certificates',
  PVE_VMID_RANGE: 'give a range that nothing else uses, such as 20000-29999',
  SECRETS_KEY: 'make one with: openssl rand -hex 32',
  MORPH_API_KEY: 'copy the key from https://cloud.morph.so',
  MORPH_API_BASE_URL: 'leave it out, or give https://cloud.morph.so/api',
  MORPH_DEAD_MAN_SECONDS: 'give seconds, such as 14400, or 0 to turn it off',
  MORPH_WAKE_ON: 'leave it out, or list http, ssh',
  REDIS_URL: 'give the address of your Redis, such as redis://127.0.0.1:6379',
  REDIS_DURABILITY: 'use aof, or managed when whoever runs the Redis makes it durable',
  DEPLOYMENT: 'give this installation a name of its own that never changes, such as production',
  LIFECYCLE_WEBHOOK_URL:
    'give the https address that takes the events, such as https://example.convex.site/lifecycle',
  LIFECYCLE_WEBHOOK_SECRET: 'make one with: echo "whsec_$(openssl rand -base64 32)"',
  LIFECYCLE_WEBHOOK_SECRET_PREVIOUS:
    'give the secret that LIFECYCLE_WEBHOOK_SECRET replaces, or leave it out',
  HOST: 'use 127.0.0.1, or 0.0.0.0 to be reached from elsewhere',
  PORT: 'use a free port, such as 8787',
  HEALTH_PORT: 'use a free port, such as 8788, or leave it out',
  PUBLIC_URL: 'give the address that people open, such as https://lifecycle.example.com',
  TRUST_PROXY: TRUE_OR_FALSE,
  LOG_LEVEL: 'use info',
  DATA_DIR: 'give a folder that only this process uses',
  LEDGER_DIR: 'give a folder that is backed up',
  PRICE_BOOK_FILE: 'see docs/costs.md for the form of the file',
  BUDGETS_FILE: 'see docs/costs.md for the form of the file',
  WORKER_CONCURRENCY: 'use 8',
  PROVIDER_CONCURRENCY: 'use 16',
  FALLBACK_ALERT_SHARE: 'use 50%',
  FALLBACK_ALERT_WINDOW_MINUTES: 'give minutes, from 5 to 1440, such as 360',
  BILLING_ALERT_SHARE: 'use 5%',
  BILLING_ALERT_USD: 'give whole dollars, such as 1',
  IDLE_MODE: 'use off, shadow or enforce',
  IDLE_AFTER_SECONDS: 'give seconds by provider, such as pve-vm:900,pve-lxc:86400',
  IDLE_UNKNOWN_AFTER_SECONDS: 'give seconds by provider, such as pve-vm:7200,morph:7200',
  IDLE_RETAIN_PAUSED_DAYS: 'give days, such as 14',
  IDLE_ENFORCE_UNPROVEN: TRUE_OR_FALSE,
  IDLE_POLICY_FILE: 'see .env.example for the form of the file',
  SWEEP_TIME_ZONE: 'give an IANA name, such as Europe/Berlin',
  AUTOMATIC_DESTRUCTION: 'use on or off',
  MAX_HOLD_SECONDS: 'give seconds, such as 14400',
  UNKNOWN_HOLD_MS: A_DURATION,
  CLONE_TIMEOUT_MS: A_DURATION,
  PERMIT_WAIT_MS: A_DURATION,
  USABLE_TIMEOUT_MS: A_DURATION,
  START_DEADLINE_MS: A_DURATION,
};
