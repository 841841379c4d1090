import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { failed, type Outcome } from '../base/outcome.ts';
import { ms, seconds, type Duration } from '../base/units.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import type { GuestProgram } from '../contract/guest.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { SchedulerFactory } from '../contract/scheduler.ts';
import type { DomainDescription } from '../contract/system.ts';
import { smallSystem } from '../explore/small-system.ts';
import type { Subject } from '../explore/subject.ts';
import { firmwareLibrary } from '../firmware/library.ts';
import { prepareFirmware } from '../firmware/prepare.ts';
import { checkLaws } from '../observe/laws.ts';
import { platforms } from '../platforms/index.ts';
import { schedulers } from '../schedulers/index.ts';
import { readAsset, resultPath } from './files.ts';
import { loadGuest } from './guest-loader.ts';
import { readSystem } from './known.ts';
import { platformsOf } from './platforms.ts';
import { checkScheduling, schedulersOf } from './scheduling.ts';

/** Virtual time after which a folder's domains are over in a campaign, unless it is said otherwise. */
const LENGTH = seconds(1);
/** A run may take so many times its length to come to its end, faults included. */
const PATIENCE = 600;

/** The built-in system of random guests. */
export const SMALL = 'small';

/** A system for a campaign: the built-in one, or a folder's. Throws a `ConfigurationError`. */
export async function openSubject(system: string, length: Duration = LENGTH): Promise<Subject> {
  return system === SMALL ? smallSubject() : folderSubject(system, length);
}

function smallSubject(): Subject {
  const names = Object.entries(schedulers)
    .filter(([, { create }]) => takesAnyone(create))
    .map(([name]) => name);
  return {
    name: SMALL,
    strangers: true,
    model: 'small system of random guests',
    platforms,
    schedulers,
    laws: checkLaws,
    firmware: remembered(firmwareLibrary()),
    build: (oracle, run) => smallSystem(oracle, run, names, platforms),
  };
}

/** Whether a scheduler takes several vcoprocs of which it is told nothing. */
function takesAnyone(create: SchedulerFactory): boolean {
  const scheduler = create({ timeslice: ms(1), parameters: {} });
  if (!('admit' in scheduler)) return false;
  const strangers = ['a/gpu0', 'b/gpu0'] as readonly string[] as readonly VcoprocId[];
  return strangers.every((vcoproc) => scheduler.admit(vcoproc, {}).kind === 'admitted');
}

async function folderSubject(folder: string, length: Duration): Promise<Subject> {
  const system = readSystem(folder);
  const all = system.dom0 === undefined ? system.domains : [system.dom0, ...system.domains];
  const guests: { description: DomainDescription; program: GuestProgram }[] = [];
  for (const description of all) guests.push({ description, program: await loadGuest(description) });
  const ownPlatforms = await platformsOf(system);
  const own = await schedulersOf(system);
  checkScheduling(system, all, own);
  const files = {
    asset: (path: string) => readAsset(system.folder, path),
    input: undefined,
    write: resultPath,
  };
  return {
    name: folder,
    model: system.model,
    platforms: ownPlatforms,
    schedulers: own,
    laws: (report) => [
      ...checkLaws(report),
      ...report.coprocs.flatMap(({ id, faults }) => faults.map((fault) => `${id}: ${fault}`)),
    ],
    firmware: remembered(firmwareLibrary([join(system.folder, 'firmware')])),
    build: (_oracle, run) => ({
      coprocs: system.coprocs.map((coproc) => ({ ...coproc, verifiesMemory: true })),
      domains: guests.map(({ description, program }) => ({
        description,
        program: ending(program, length, () => run.cutOff()),
        files,
      })),
      refused: [],
      bound: { length: (PATIENCE * Math.max(length, LENGTH)) as Duration, steps: 1_000_000_000 },
    }),
  };
}

/** A guest that is over after `length`, whatever it still would do: many systems never end by themselves. */
function ending(program: GuestProgram, length: Duration, onCutOff: () => void): GuestProgram {
  return {
    async main(domain) {
      let through = false;
      const whole = program.main(domain).finally(() => (through = true));
      await Promise.race([whole, domain.sleep(length)]);
      if (!through) onCutOff();
    },
  };
}

/** Firmware is read and prepared once for all runs. */
function remembered(library: ReturnType<typeof firmwareLibrary>): (name: string) => Outcome<FirmwareImage> {
  const images = new Map<string, Outcome<FirmwareImage>>();
  return (name) => {
    let image = images.get(name);
    if (image === undefined) {
      image = name.endsWith('.wasm') ? fromFile(name) : library.load(name, { metered: true });
      images.set(name, image);
    }
    return image;
  };
}

function fromFile(path: string): Outcome<FirmwareImage> {
  try {
    return prepareFirmware(basename(path, '.wasm'), readFileSync(path), { metered: true });
  } catch {
    return failed(`firmware ${path} cannot be read`);
  }
}
