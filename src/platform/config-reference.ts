/**
 * The reference of every setting, for people and programs. Meaning and example come from `.env.example`, the one
 * place where people write about settings; the default and what is refused come from the code that reads them.
 */
import { loadConfig } from './config.ts';
import { isConfigError } from './config-error.ts';
import { environmentSchema, REMEDIES, SETTINGS, type Setting } from './config-schema.ts';

export interface SettingReference {
  readonly name: Setting;
  readonly meaning: string;
  readonly example: string;
  /** Absent where leaving it out means something of its own, which the meaning tells. */
  readonly default?: string;
  /** What is wrong with a value that cannot be used; absent where every text can be. */
  readonly refused?: string;
  readonly remedy: string;
}

export interface SettingGroup {
  readonly title: string;
  readonly intro: string;
  readonly settings: readonly SettingReference[];
}

/** Values of which each setting that refuses anything refuses one. */
const NONSENSE = ['?!', 'a b'] as const;

/** Some settings are looked at only where others are set. */
const IN_ORDER = {
  REDIS_URL: 'redis://127.0.0.1:6379',
  DEPLOYMENT: 'reference',
  PVE_API_URL: 'https://pve.example.com:8006',
  PVE_API_TOKEN: 'user@pve!name=secret',
};

/** @param example the text of `.env.example` */
export function readReference(example: string): readonly SettingGroup[] {
  return example
    .split(/^# --- (?=\S)/m)
    .slice(1)
    .map((part) => {
      const [heading = '', ...lines] = part.split('\n');
      const blocks = lines.join('\n').split(/\n{2,}/);
      return {
        title: heading.replace(/ -+$/, ''),
        intro: proseOf(
          blocks.find((block) => block.trim() !== '' && assignmentsIn(block).length === 0) ?? '',
        ),
        settings: blocks.flatMap((block) =>
          assignmentsIn(block).map(({ name, value }) => describeSetting(name, value, proseOf(block))),
        ),
      };
    });
}

export function referenceAsMarkdown(groups: readonly SettingGroup[]): string {
  return [
    '# Configuration',
    '',
    'Made by `npm run docs:config` from `.env.example` and the schema of the environment; a test keeps it in step. `cmux-lifecycle config check` tells whether yours can be used and what it comes to, without starting anything.',
    '',
    'Settings are environment variables. An empty value counts as not set, but for `SANDBOX_FALLBACK_PROVIDERS`. All problems are told at once, each with its remedy, and nothing is started. Variables that look like one of these and are misspelt are refused too.',
    '',
    ...groups.flatMap(({ title, intro, settings }) => [
      `## ${title}`,
      '',
      ...(intro === '' ? [] : [intro, '']),
      ...settings.flatMap(settingAsMarkdown),
    ]),
    ...REFUSED_TOGETHER,
  ].join('\n');
}

function settingAsMarkdown(setting: SettingReference): readonly string[] {
  const { name, meaning, example, refused, remedy } = setting;
  return [
    `### \`${name}\``,
    '',
    ...(meaning === '' ? [] : [meaning, '']),
    setting.default === undefined
      ? `- Example: \`${example}\``
      : `- Default: ${setting.default === '' ? 'nothing' : `\`${setting.default}\``}`,
    ...(refused === undefined ? [] : [`- Refused: ${refused}. Remedy: ${remedy}.`]),
    '',
  ];
}

const REFUSED_TOGETHER = [
  '## Refused together',
  '',
  '- `SANDBOX_PROVIDER` and `SANDBOX_PRIMARY_PROVIDER` that name different providers.',
  '- A provider that is named anywhere and has no credentials, or is turned off by `PROXMOX_KVM_ENABLED=false` or `PROXMOX_LXC_ENABLED=false`.',
  '- `PROXMOX_USE_KVM`, `PROXMOX_DEFAULT`, `PROXMOX_KVM_ENABLED` and `PROXMOX_LXC_ENABLED` that contradict one another.',
  '- Credentials of a provider without `REDIS_URL` and `DEPLOYMENT`; one of `PVE_API_URL` and `PVE_API_TOKEN` without the other.',
  '- `PVE_VERIFY_TLS=false` with `PVE_CA_FILE` or `PVE_TLS_FINGERPRINT`; the last two together.',
  '- `PVE_NODE` with `*` and names; a name in `PVE_CORDONED_NODES` that `PVE_NODE` leaves out.',
  '- `LIFECYCLE_WEBHOOK_URL` without `LIFECYCLE_WEBHOOK_SECRET`, and the other way round.',
  '- `START_DEADLINE_MS` no longer than `UNKNOWN_HOLD_MS`.',
  '',
] as const;

function describeSetting(name: Setting, example: string, meaning: string): SettingReference {
  const hasDefault = environmentSchema.shape[name].safeParse(undefined).data !== undefined;
  const refused = refusalOf(name);
  return {
    name,
    meaning,
    example,
    ...(hasDefault ? { default: example } : {}),
    ...(refused === undefined ? {} : { refused }),
    remedy: REMEDIES[name],
  };
}

/** As the code itself says it of a value that nobody could mean. */
function refusalOf(name: Setting): string | undefined {
  for (const nonsense of NONSENSE) {
    const problem = problemWith(name, nonsense);
    if (problem !== undefined) return generalised(problem, nonsense);
  }
  return undefined;
}

function problemWith(name: Setting, value: string): string | undefined {
  try {
    loadConfig({ ...IN_ORDER, [name]: value });
  } catch (error) {
    if (!isConfigError(error)) throw error;
    return error.problems.find(({ setting, problem }) => setting === name && !/^it is missing/.test(problem))
      ?.problem;
  }
  return undefined;
}

/** `"?!" is no time zone` → `what is no time zone`. */
function generalised(problem: string, nonsense: string): string {
  if (problem.startsWith(`${nonsense} cannot be read`)) return 'a file that cannot be read';
  const general = problem
    .replace(/^(this|it|"[^"]*") /, 'what ')
    .replace(`no provider is called "${nonsense}"`, 'what no provider is called');
  return general.startsWith('what ') ? general : `all but ${general.replace(/^only /, '')}`;
}

function assignmentsIn(block: string): readonly { readonly name: Setting; readonly value: string }[] {
  return block.split('\n').flatMap((line) => {
    const [, name, value = ''] = /^#([A-Z_]+)=(.*)$/.exec(line) ?? [];
    const setting = SETTINGS.find((known) => known === name);
    return setting === undefined ? [] : [{ name: setting, value }];
  });
}

/** The comment of a block, as one paragraph. */
function proseOf(block: string): string {
  return block
    .split('\n')
    .filter((line) => /^# (?!---)/.test(line))
    .map((line) => line.slice(2).trim())
    .join(' ');
}
