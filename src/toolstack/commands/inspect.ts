import { Command } from 'commander';
import { counted } from '../../observe/printable.ts';
import { showDuration } from '../../base/units.ts';
import { firmwareLibrary } from '../../firmware/library.ts';
import { runReportJsonSchema } from '../../observe/json-schema.ts';
import { textTable } from '../../observe/text-table.ts';
import { platforms } from '../../platforms/index.ts';
import { schedulers } from '../../schedulers/index.ts';
import type { DomainDescription, SystemDescription } from '../../contract/system.ts';
import type { Terminal } from '../terminal.ts';
import { refuse, showPosition } from '../config/problem.ts';
import { systemFirmware } from '../firmware.ts';
import { loadGuest } from '../guest-loader.ts';
import { readSystem } from '../known.ts';
import { platformsOf } from '../platforms.ts';
import { checkScheduling, schedulersOf } from '../scheduling.ts';

interface Named {
  readonly name: string;
  readonly summary: string;
}

export const listPlatformsCommand = (terminal: Terminal): Command =>
  lister(terminal, 'list-platforms', 'the kinds of coprocessors of this build', () =>
    Object.values(platforms).map(({ compatible, summary }) => ({ name: compatible, summary })),
  );

export const listSchedulersCommand = (terminal: Terminal): Command =>
  lister(terminal, 'list-schedulers', 'the scheduling algorithms of this build', () =>
    Object.entries(schedulers).map(([name, { summary }]) => ({ name, summary })),
  );

export const listFirmwareCommand = (terminal: Terminal): Command =>
  lister(terminal, 'list-firmware', 'the firmware that comes with Covisor', () => {
    const library = firmwareLibrary();
    return library.names().map((name) => {
      const image = library.load(name);
      return {
        name,
        summary:
          image.kind === 'ok'
            ? `${image.value.memoryPages * 64} KiB, sha256 ${image.value.sha256}`
            : image.reason,
      };
    });
  });

function lister(terminal: Terminal, name: string, what: string, list: () => readonly Named[]): Command {
  return new Command(name)
    .description(`List ${what}.`)
    .option('--json', 'print JSON')
    .action(({ json }: { json?: true }) => {
      const all = list();
      const columns = [
        { head: 'name', cell: (row: Named) => row.name, align: 'left' as const },
        { head: 'what it is', cell: (row: Named) => row.summary, align: 'left' as const },
      ];
      const text = json
        ? JSON.stringify(all, null, 2)
        : textTable(columns, all, { width: terminal.stdout.columns ?? 200, paintHead: (head) => head }).join(
            '\n',
          );
      terminal.stdout.write(`${text}\n`);
    });
}

export const schemaCommand = (terminal: Terminal): Command =>
  new Command('schema').description('Print the JSON Schema of what `run --json` prints.').action(() => {
    terminal.stdout.write(`${JSON.stringify(runReportJsonSchema(), null, 2)}\n`);
  });

export const checkCommand = (terminal: Terminal): Command =>
  new Command('check')
    .description(
      'Read a system, load its guests and schedulers and say what is wrong with it. Starts nothing.',
    )
    .argument('<system>', 'a folder with system.dts and domains/*.cfg')
    .option('--json', 'print the system as it was understood')
    .action(async (folder: string, { json }: { json?: true }) => {
      const system = readSystem(folder);
      const domains = system.dom0 === undefined ? system.domains : [system.dom0, ...system.domains];
      for (const domain of domains) await loadGuest(domain);
      await platformsOf(system);
      checkScheduling(system, domains, await schedulersOf(system));
      checkFirmware(system, domains);
      for (const { what, ...position } of system.warnings)
        terminal.stderr.write(`${showPosition(position)}: ${what}\n`);
      if (json) {
        terminal.stdout.write(`${JSON.stringify(system, null, 2)}\n`);
        return;
      }
      const coprocs = system.coprocs.map(
        ({ id, compatible, scheduler, timeslice }) =>
          `  ${id}: ${compatible}, ${scheduler.name}, slices of ${showDuration(timeslice)}`,
      );
      const guests = domains.map(
        ({ name, memory, coprocs: shares }) =>
          `  ${name}: ${memory / 2 ** 20} MiB, ${shares.map(({ coproc, firmware }) => `${coproc} with ${firmware}`).join(', ') || 'no coprocessor'}`,
      );
      terminal.stdout.write(
        `${[system.model, counted(coprocs.length, 'coprocessor'), ...coprocs, counted(guests.length, 'domain'), ...guests, 'ok'].join('\n')}\n`,
      );
    });

/** Refuses firmware that no coprocessor would take. */
function checkFirmware(system: SystemDescription, domains: readonly DomainDescription[]): void {
  const load = systemFirmware(system, false);
  for (const { coprocs } of domains)
    for (const { firmware, position } of coprocs) {
      const loaded = load(firmware);
      if (loaded.kind === 'failed') refuse(position, loaded.reason, 'expected firmware that can be loaded');
    }
}
