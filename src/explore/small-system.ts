import { bytes, kib, ms, seconds, us } from '../base/units.ts';
import type { GuestProgram } from '../contract/guest.ts';
import { coprocId, domainId } from '../contract/names.ts';
import { FAULT_POLICIES, RECOVERY, type Recovery } from '../contract/recovery.ts';
import type { Platform } from '../contract/platform.ts';
import type { Oracle } from '../contract/oracle.ts';
import type { CoprocDescription } from '../contract/system.ts';
import { randomGuest, type GuestFirmware } from './random-guest.ts';
import type { DomainFiles } from '../hypervisor/domain.ts';
import type { BuiltDomain, BuiltSystem, RunView } from './subject.ts';

const nowhere = { file: 'small', line: 1, column: 1 };
const PLATFORMS = ['covisor,tile-gpu', 'covisor,media-dsp'] as const;
const FIRMWARES: readonly GuestFirmware[] = ['noop', 'pattern', 'spin', 'stream'];
const NAMES = ['a', 'b', 'c', 'd'];

const NO_FILES: DomainFiles = {
  asset: () => new Uint8Array(),
  input: undefined,
  write: (_domain, file) => file,
};

/**
 * A system small enough to be run hundreds of times a second: one or two coprocessors, two to four domains, guests
 * that do what the oracle says. Deadlines are short, so that what takes long on a board takes little here.
 */
export function smallSystem(
  oracle: Oracle,
  run: RunView,
  schedulers: readonly string[],
  platforms: Readonly<Record<string, Platform>>,
): BuiltSystem {
  const draw = (what: string, options: number): number => oracle.choose(`scenario/${what}`, options);
  const coprocs = Array.from({ length: 1 + draw('coprocs', 2) }, (_, index): CoprocDescription => {
    const id = `${['gpu', 'dsp'][index]}${index}`;
    return {
      id: coprocId(id),
      path: `/${id}`,
      compatible: PLATFORMS[draw(`platform/${id}`, 2) ^ (index & 1)]!,
      scheduler: { name: schedulers[draw(`scheduler/${id}`, schedulers.length)]!, parameters: {} },
      timeslice: [us(500), us(50), ms(2)][draw(`slice/${id}`, 3)]!,
      stopDeadline: ms(4),
      commandTimeout: ms(40),
      denyRetryLimit: [undefined, 3][draw(`denials/${id}`, 2)],
      localMemory: kib(64),
      clock: 100_000_000,
      registers: { base: 0, size: bytes(4096) },
      interrupts: [32 + index],
      streamId: 1 + index,
      costs: { switchBandwidth: 4e9, dmaBandwidth: 8e9, interruptLatency: us(2) },
      verifiesMemory: true,
      recovery: drawRecovery(oracle, `recovery/${id}`),
      position: nowhere,
    };
  });
  const hostile = draw('hostile', 2) === 1;
  const domains = Array.from({ length: 2 + draw('domains', 3) }, (_, index) => {
    const name = NAMES[index]!;
    const shares = coprocs
      .filter((_coproc, place) => place === index % coprocs.length || draw(`share/${name}`, 2) === 1)
      .map(({ id, compatible }) => ({
        id,
        scratch: scratchOf(platforms[compatible]!),
        firmware: FIRMWARES[draw(`firmware/${name}`, FIRMWARES.length)]!,
      }));
    const program: GuestProgram = {
      main: (domain) =>
        Promise.all(
          shares.map(({ id, firmware, scratch }) =>
            randomGuest({ domain, coproc: id, firmware, oracle, run, hostile, scratch }),
          ),
        ).then(() => undefined),
    };
    const onFault = [undefined, ...FAULT_POLICIES][oracle.choose(`recovery/${name}`, 4)];
    return {
      description: {
        name: domainId(name),
        memory: kib(256),
        ...(onFault && { onFault }),
        kernel: 'random guest',
        coprocs: shares.map(({ id, firmware }) => ({
          coproc: id,
          firmware,
          parameters: {},
          position: nowhere,
        })),
        extra: '',
        takes: [],
        position: nowhere,
      },
      program,
      files: {
        asset: () => new Uint8Array(),
        input: undefined,
        write: (_domain: string, file: string) => file,
      },
    };
  });
  // Almost a name, or none at all.
  const stranger = [undefined, '', 'gpu', 'gpu00', 'GPU0'][draw('stranger', 5)];
  const refused = stranger === undefined ? [] : [strangeDomain(stranger)];
  return { coprocs, domains, refused, bound: { length: seconds(20), steps: 1_000_000 } };
}

/** How faults are dealt with; as where nothing is said, unless a seed draws that. */
function drawRecovery(oracle: Oracle, point: string): Recovery {
  const { faults, restarts } = RECOVERY;
  return {
    onFault: FAULT_POLICIES[oracle.choose(point, FAULT_POLICIES.length)]!,
    faults: [faults, { most: 1, within: seconds(60) }, { most: 2, within: ms(3) }][oracle.choose(point, 3)]!,
    restarts: [restarts, { most: 0, within: ms(1) }, { most: 2, within: ms(20) }][oracle.choose(point, 3)]!,
  };
}

const strangeDomain = (coproc: string): BuiltDomain => ({
  description: {
    name: domainId('stranger'),
    memory: kib(256),
    kernel: 'nothing',
    coprocs: [{ coproc: coprocId(coproc), firmware: 'noop', parameters: {}, position: nowhere }],
    extra: '',
    takes: [],
    position: nowhere,
  },
  program: { main: () => Promise.resolve() },
  files: NO_FILES,
});

const scratchOf = ({ registers }: Platform): number[] =>
  registers.filter(({ access, firmware }) => access === 'read-write' && firmware).map(({ offset }) => offset);
