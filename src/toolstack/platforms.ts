import { pathToFileURL } from 'node:url';
import { firstLineOf } from '../base/said.ts';
import type { Platform, Register } from '../contract/platform.ts';
import type { SystemDescription } from '../contract/system.ts';
import { WINDOW_BYTES } from '../memory/channel.ts';
import { platforms } from '../platforms/index.ts';
import { isModuleFile } from './config/coproc.ts';
import { refuse } from './config/problem.ts';
import { loadDefault } from '../runtime/threads/module.ts';

/** Platforms by name: those of this build, and users' own by the absolute paths of their files. */
export type Platforms = Record<string, Platform>;

const EXPECTED =
  'expected a default export { compatible, summary, registers, core, stepBudget, createDevice }';

/** What the coprocessor calls on a device. One that lacks any would fail in the middle of a run. */
const DEVICE = ['onWrite', 'accepts', 'onStart', 'onStep', 'onEnd', 'quiesce'] as const;
const CORE = ['interruptStatus', 'interruptMask', 'fence', 'faultAddress'] as const;
const ACCESS: readonly Register['access'][] = [
  'read-write',
  'read-only',
  'trigger',
  'write-one-clears',
  'none',
];
const AWAY: readonly Register['away'][] = ['latched', 'replayed', 'refused'];

/** The platforms of this build and the files that a system names. Throws a `ConfigurationError`. */
export async function platformsOf({ coprocs }: Pick<SystemDescription, 'coprocs'>): Promise<Platforms> {
  const all: Platforms = { ...platforms };
  for (const { compatible: name, position } of coprocs) {
    if (!isModuleFile(name) || Object.hasOwn(all, name)) continue;
    try {
      all[name] = await loadPlatform(name);
    } catch (error) {
      refuse(position, firstLineOf(error), EXPECTED);
    }
  }
  return all;
}

async function loadPlatform(file: string): Promise<Platform> {
  const found = (await loadDefault(file).catch((error: unknown) => {
    throw new Error(`the platform ${file} cannot be loaded: ${firstLineOf(error)}`);
  })) as Partial<Platform> | undefined | null;
  const wrong = mistake(found ?? {});
  if (wrong !== undefined) throw new Error(`the module ${file} is no platform: ${wrong}`);
  const { compatible, summary, registers, core, stepBudget } = found as Platform;
  return {
    compatible,
    summary: typeof summary === 'string' ? summary : 'from a file',
    // Where the coprocessor's thread finds it, whatever it says itself.
    module: pathToFileURL(file).href,
    registers,
    core,
    stepBudget,
    createDevice: () => (found as Platform).createDevice(),
  };
}

/** What is wrong with something that should be a platform. */
function mistake({ compatible, registers, core, stepBudget, createDevice }: Partial<Platform>) {
  if (typeof compatible !== 'string' || compatible === '') return 'it has no compatible';
  if (!Array.isArray(registers)) return 'it has no list of registers';
  const wrong = registers.map(registerMistake).find((what) => what !== undefined);
  if (wrong !== undefined) return wrong;
  const offsets = (registers as readonly Register[]).map(({ offset }) => offset);
  const twice = offsets.find((offset, at) => offsets.indexOf(offset) !== at);
  if (twice !== undefined) return `two registers are at offset ${twice}`;
  const missing = CORE.find((name) => !offsets.includes(core?.[name] ?? -1));
  if (missing !== undefined) return `core.${missing} is not the offset of one of its registers`;
  if (typeof stepBudget !== 'number' || !Number.isInteger(stepBudget) || stepBudget < 1)
    return `its stepBudget is ${String(stepBudget)}, not a whole number from 1 up`;
  if (typeof createDevice !== 'function') return 'it has no function createDevice';
  let device: Partial<Record<(typeof DEVICE)[number], unknown>> | undefined;
  try {
    device = createDevice() as typeof device;
  } catch (error) {
    return `createDevice throws: ${firstLineOf(error)}`;
  }
  const lacks = DEVICE.find((name) => typeof device?.[name] !== 'function');
  return lacks === undefined ? undefined : `what createDevice makes has no function ${lacks}`;
}

function registerMistake(register: Partial<Register> | undefined | null, at: number): string | undefined {
  const { name, offset, access, firmware, reset, away } = register ?? {};
  if (typeof name !== 'string' || name === '') return `register ${at} has no name`;
  if (
    typeof offset !== 'number' ||
    !Number.isInteger(offset) ||
    offset % 4 !== 0 ||
    !(offset >= 0 && offset < WINDOW_BYTES)
  )
    return `register ${name} is at ${String(offset)}, not at a multiple of 4 below ${WINDOW_BYTES}`;
  if (access === undefined || !ACCESS.includes(access))
    return `register ${name}: access is none of ${ACCESS.join(', ')}`;
  if (typeof firmware !== 'boolean') return `register ${name}: firmware is neither true nor false`;
  if (typeof reset !== 'number' || !Number.isInteger(reset))
    return `register ${name}: reset is no whole number`;
  if (away === undefined || !AWAY.includes(away))
    return `register ${name}: away is none of ${AWAY.join(', ')}`;
  return undefined;
}
