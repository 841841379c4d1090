import { Argument, Command, type Option } from 'commander';
import type { Terminal } from '../terminal.ts';

/** A command line as a shell completes it. */
interface Completed {
  readonly name: string;
  readonly what: string;
  readonly options: readonly Option[];
  /** Takes files or folders. */
  readonly files: boolean;
  /** What it takes besides: its own commands, or the values of its argument. */
  readonly words: readonly string[];
  readonly below: readonly Completed[];
}

const SHELLS = { bash, zsh, fish } as const;

export const completionCommand = ({ stdout }: Terminal): Command =>
  new Command('completion')
    .description('Print what a shell needs to complete this command line.')
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      `
Examples:
  source <(covisor completion bash)
  covisor completion bash >> ~/.bashrc
  covisor completion zsh > ~/.zfunc/_covisor
  covisor completion fish > ~/.config/fish/completions/covisor.fish`,
    )
    .action((shell: keyof typeof SHELLS, _flags: unknown, { parent }: Command) => {
      stdout.write(SHELLS[shell](completed(parent!)));
    });

function completed(command: Command): Completed {
  const below = command.commands.map(completed);
  const { registeredArguments: given } = command;
  // What help takes are the commands beside it.
  const named = command.name() === 'help' ? command.parent!.commands : command.commands;
  return {
    name: command.name(),
    what: command.description().split('. ')[0]!.replace(/[.:]$/, ''),
    options: command.createHelp().visibleOptions(command),
    files: given.some((argument) => /file|folder|system|tape|module/.test(argument.name())),
    words: [...named.map((one) => one.name()), ...given.flatMap(({ argChoices }) => argChoices ?? [])],
    below,
  };
}

const flagsOf = (options: readonly Option[]): string[] =>
  options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));

function bash(program: Completed): string {
  const reply = (words: readonly string[], files = false): string =>
    `COMPREPLY=($(compgen ${files ? '-f ' : ''}-W "${words.join(' ')}" -- "$word"))`;
  const one = (name: string, { options, files, words }: Completed): string[] => [
    ...options.flatMap((option) =>
      option.argChoices === undefined
        ? []
        : flagsOf([option]).map((flag) => `    "${name} ${flag}") ${reply(option.argChoices!)} ;;`),
    ),
    `    "${name} "*) ${reply([...words, ...flagsOf(options)], files)} ;;`,
  ];
  const cases = program.below.flatMap((command) => [
    ...command.below.flatMap((below) => one(`${command.name} ${below.name}`, below)),
    ...one(command.name, command),
  ]);
  const nested = program.below.flatMap(({ name, below }) => below.map((one) => `"${name} ${one.name}"`));
  return `_covisor() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    ${reply([...program.words, ...flagsOf(program.options)])}
    return
  fi
  # The words that stand, as far as they say which command it is; then the one before.
  local command=\${COMP_WORDS[1]}
  [ "$COMP_CWORD" -gt 2 ] && case "$command \${COMP_WORDS[2]}" in
    ${nested.join(' | ')}) command="$command \${COMP_WORDS[2]}" ;;
  esac
  case "$command $before" in
${cases.join('\n')}
  esac
}
complete -o filenames -F _covisor covisor
`;
}

const quoted = (text: string): string => text.replace(/'/g, "'\\''");

function zsh({ below: commands }: Completed): string {
  const inBrackets = (text: string): string => quoted(text).replace(/[[\]:]/g, ' ');
  const oneOf = (words: readonly string[] = []): string => (words.length === 0 ? '' : `(${words.join(' ')})`);
  const list = commands.map(({ name, what }) => `    '${name}:${quoted(what).replace(/:/g, ' ')}'`);
  const cases = commands.map(({ name, options, files, words }) => {
    const each = options.flatMap((option) =>
      flagsOf([option]).map(
        (flag) =>
          `'${flag}[${inBrackets(option.description)}]${option.required ? `:value:${oneOf(option.argChoices)}` : ''}'`,
      ),
    );
    const rest = files ? "'*:file:_files'" : `'*:name:${oneOf(words)}'`;
    return `    ${name}) _arguments ${[...each, rest].join(' ')} ;;`;
  });
  return `#compdef covisor
_covisor() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case $words[2] in
${cases.join('\n')}
  esac
}
compdef _covisor covisor
`;
}

function fish({ below: commands }: Completed): string {
  const lines = commands.flatMap(({ name, what, options, files, words }) => [
    `complete -c covisor -n __fish_use_subcommand ${files ? '' : '-f '}-a ${name} -d '${quoted(what)}'`,
    ...words.map((word) => `complete -c covisor -n '__fish_seen_subcommand_from ${name}' -fa ${word}`),
    ...options.map(
      ({ short, long, description, required, argChoices }) =>
        `complete -c covisor -n '__fish_seen_subcommand_from ${name}'` +
        (short === undefined ? '' : ` -s ${short.slice(1)}`) +
        (long === undefined ? '' : ` -l ${long.slice(2)}`) +
        `${required ? ' -r' : ''}${argChoices === undefined ? '' : ` -fa '${argChoices.join(' ')}'`} -d '${quoted(description)}'`,
    ),
  ]);
  return `${lines.join('\n')}\n`;
}
