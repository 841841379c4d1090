import { Argument, Command, type Option } from 'commander';
import type { Terminal } from '../terminal.ts';

/** A command line as a shell completes it. */
interface Completed {
  readonly name: string;
  readonly what: string;
  readonly options: readonly Option[];
  /** Takes files or folders. */
  readonly files: boolean;
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
      const commands = (parent?.commands ?? []).map((command) => ({
        name: command.name(),
        what: command.description().split('. ')[0]!.replace(/[.:]$/, ''),
        options: command.options,
        files: command.registeredArguments.some((argument) => /file|folder|system/.test(argument.name())),
      }));
      stdout.write(SHELLS[shell](commands));
    });

const flagsOf = (options: readonly Option[]): string[] =>
  options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined));

function bash(commands: readonly Completed[]): string {
  const cases = commands.map(
    ({ name, options, files }) =>
      `    ${name}) COMPREPLY=($(compgen ${files ? '-f ' : ''}-W "${flagsOf(options).join(' ')}" -- "$word")) ;;`,
  );
  return `_covisor() {
  local word=\${COMP_WORDS[COMP_CWORD]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')}" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
}
complete -o filenames -F _covisor covisor
`;
}

const quoted = (text: string): string => text.replace(/'/g, "'\\''");

function zsh(commands: readonly Completed[]): string {
  const inBrackets = (text: string): string => quoted(text).replace(/[[\]:]/g, ' ');
  const list = commands.map(({ name, what }) => `    '${name}:${quoted(what).replace(/:/g, ' ')}'`);
  const cases = commands.map(({ name, options, files }) => {
    const each = options.flatMap((option) =>
      flagsOf([option]).map(
        (flag) => `'${flag}[${inBrackets(option.description)}]${option.required ? ':value:' : ''}'`,
      ),
    );
    return `    ${name}) _arguments ${[...each, files ? "'*:file:_files'" : "'*:name:'"].join(' ')} ;;`;
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

function fish(commands: readonly Completed[]): string {
  const lines = commands.flatMap(({ name, what, options, files }) => [
    `complete -c covisor -n __fish_use_subcommand ${files ? '' : '-f '}-a ${name} -d '${quoted(what)}'`,
    ...options.map(
      ({ short, long, description, required }) =>
        `complete -c covisor -n '__fish_seen_subcommand_from ${name}'` +
        (short === undefined ? '' : ` -s ${short.slice(1)}`) +
        (long === undefined ? '' : ` -l ${long.slice(2)}`) +
        `${required ? ' -r' : ''} -d '${quoted(description)}'`,
    ),
  ]);
  return `${lines.join('\n')}\n`;
}
