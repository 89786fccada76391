/** Completion scripts for shells, made from the commands themselves, so that they cannot fall behind. */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What can follow one command. */
interface Place {
  /** Its names from the top: none is the program itself. */
  readonly path: readonly string[];
  readonly commands: readonly Told[];
  readonly options: readonly (Told & { readonly values: readonly string[]; readonly takesValue: boolean })[];
}

interface Told {
  readonly names: readonly string[];
  readonly description: string;
}

export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, [], program.options);
  switch (shell) {
    case 'bash':
      return bashScript(program.name(), places);
    case 'zsh':
      return zshScript(program.name(), places);
    case 'fish':
      return fishScript(program.name(), places);
  }
}

function placesOf(
  command: Command,
  path: readonly string[],
  everywhere: readonly Option[],
): readonly Place[] {
  const own = path.length === 0 ? [] : command.options;
  const here: Place = {
    path,
    commands: command.commands.map((child) => ({ names: [child.name()], description: child.description() })),
    options: [...own, ...everywhere].map((option) => ({
      names: [option.short, option.long].filter((name) => name !== undefined),
      description: option.description,
      values: option.argChoices ?? [],
      takesValue: option.required || option.optional,
    })),
  };
  return [here, ...command.commands.flatMap((child) => placesOf(child, [...path, child.name()], everywhere))];
}

const wordsOf = ({ commands, options }: Place): readonly string[] =>
  [...commands, ...options].flatMap(({ names }) => names);

/** Cases of `<place>:<option before the cursor>` that complete its values. */
function valueCases(places: readonly Place[], complete: (values: readonly string[]) => string): string {
  return places
    .flatMap(({ path, options }) =>
      options
        .filter(({ takesValue }) => takesValue)
        .flatMap(({ names, values }) => {
          const patterns = names.map((name) => `'${path.join(' ')}:${name}'`).join('|');
          return `    ${patterns}) ${complete(values)}; return ;;`;
        }),
    )
    .join('\n');
}

/** Walks the words before the cursor down the tree, as far as they are commands. */
function pathCases(places: readonly Place[]): string {
  return places
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `'${[path.slice(0, -1).join(' '), path.at(-1)].join('/')}'`)
    .join('|');
}

function bashScript(name: string, places: readonly Place[]): string {
  const words = places.map(
    (place) => `    '${place.path.join(' ')}') words='${wordsOf(place).join(' ')}' ;;`,
  );
  return `# Completion of ${name} for bash. To have it always: ${name} completion bash > /etc/bash_completion.d/${name}
_cmux_lifecycle() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" at='' word words=''
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at/$word" in
      ${pathCases(places)}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at:$before" in
${valueCases(places, (values) => `COMPREPLY=($(compgen -W '${values.join(' ')}' -- "$cur"))`)}
  esac
  case "$at" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _cmux_lifecycle ${name}
`;
}

function zshScript(name: string, places: readonly Place[]): string {
  const told = places.map(({ path, commands, options }) => {
    const lines = [...commands, ...options].flatMap(({ names, description }) =>
      names.map((word) => zshQuoted(`${word}:${description}`)),
    );
    return `    '${path.join(' ')}') told=(${lines.join(' ')}) ;;`;
  });
  return `#compdef ${name}
# Completion of ${name} for zsh. To have it always: source <(${name} completion zsh) in ~/.zshrc
_cmux_lifecycle() {
  local at='' word before="\${words[CURRENT-1]}"
  local -a told
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at/$word" in
      ${pathCases(places)}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at:$before" in
${valueCases(places, (values) => (values.length === 0 ? '_default' : `compadd -- ${values.join(' ')}`))}
  esac
  case "$at" in
${told.join('\n')}
  esac
  _describe '${name}' told
}
compdef _cmux_lifecycle ${name}
`;
}

function fishScript(name: string, places: readonly Place[]): string {
  const lines = places.flatMap((place) => {
    const when = `-n '${fishCondition(place)}'`;
    return [
      ...place.commands.map(
        ({ names, description }) =>
          `complete -c ${name} ${when} -a ${names.join(' ')} -d ${fishQuoted(description)}`,
      ),
      ...place.options.map(({ names, description, values, takesValue }) => {
        const flags = names.map((flag) =>
          flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
        );
        const value = takesValue
          ? ` -x${values.length > 0 ? ` -a ${fishQuoted(values.join(' '))}` : ''}`
          : '';
        return `complete -c ${name} ${when} ${flags.join(' ')}${value} -d ${fishQuoted(description)}`;
      }),
    ];
  });
  return `# Completion of ${name} for fish. To have it always: ${name} completion fish > ~/.config/fish/completions/${name}.fish
complete -c ${name} -f
${lines.join('\n')}
`;
}

function fishCondition({ path, commands }: Place): string {
  if (path.length === 0) return '__fish_use_subcommand';
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
  const deeper = commands.flatMap(({ names }) => names).join(' ');
  return deeper === '' ? seen : `${seen}; and not __fish_seen_subcommand_from ${deeper}`;
}

function zshQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
