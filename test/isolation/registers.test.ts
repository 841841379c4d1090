import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import { platforms } from '../../src/platforms/index.ts';
import { coproc, PLATFORMS, RUNTIMES, withRig } from '../rig.ts';
import { Flag, OP, PATTERNS, otherWord, plainStorage, readAll, run, storage, untilMapped } from './window.ts';

const CASES = RUNTIMES.flatMap((kind) =>
  Object.entries(PLATFORMS).map(([name, compatible]) => ({
    kind,
    name,
    platform: platforms[compatible]!,
    board: coproc('cp0', { compatible, timeslice: us(50), stopDeadline: ms(4000) }),
  })),
);

/** Every offset of the window and around it, aligned or not, and what is no offset at all. */
const OFFSETS = [
  ...Array.from({ length: 4096 + 64 }, (_, at) => at - 32),
  ...[0xffff_fffc, 0x8000_0040, 0x7fff_fffc, -0x8000_0000, 2 ** 40, 64.5, NaN, Infinity, -Infinity],
];
/** The same, as 32-bit words that a firmware can hand over; not quite every one of them. */
const FIRMWARE_OFFSETS = [
  ...Array.from({ length: 0x140 / 4 }, (_, word) => word * 4),
  ...[
    1, 2, 3, 0x13, 0x41, 0x42, 0x43, 0x101, -1, -4, 4092, 4095, 4096, 4097, 4160, 0x7fff_fffc, -0x8000_0000,
  ],
];
const VALUES = [...PATTERNS, -1, 2 ** 53, 0.5, NaN, Infinity];
const RUBBISH = 0x5eedf00d;

describe.each(CASES)("registers of $name that are not a guest's, $kind", ({ kind, platform, board }) => {
  const [first] = plainStorage(platform);
  const names = new Map(platform.registers.map(({ name, offset }) => [offset, name]));
  const triggers = platform.registers.filter(
    ({ access }) => access === 'trigger' || access === 'write-one-clears',
  );
  /** Registers that a write to a trigger may change, by the device's own doing. */
  const driven = new Set(['IRQ_STATUS', 'MAILBOX_IN', 'MAILBOX_FULL']);

  it.each(['mapped', 'away'] as const)(
    'keep their values while the window is %s, whatever is written where',
    async (where) => {
      await withRig(kind, { coprocs: [board] }, async (rig) => {
        const found: string[] = [];
        const attacked = new Flag();
        const attacker = await rig.domain('attacker', { cp0: 'pattern' }, async (domain) => {
          const vcoproc = domain.coproc('cp0');
          const mapped = (): boolean => rig.domains[0]!.vcoprocs[0]!.window.mapped;
          await run(vcoproc, OP.fillWord, 7);
          await untilMapped(domain, () => rig.domains[0]!, where === 'mapped');
          const before = readAll(vcoproc, platform);
          for (const value of VALUES)
            for (const offset of OFFSETS) {
              vcoproc.registers.write(offset, value);
              if (names.get(offset) === undefined && vcoproc.registers.read(offset) !== 0)
                found.push(`${offset} holds something`);
            }
          // Rubbish in the end, so that it is known what a register that is the guest's holds.
          for (const offset of OFFSETS) vcoproc.registers.write(offset, RUBBISH);
          const after = readAll(vcoproc, platform);
          if (mapped() !== (where === 'mapped')) found.push('it was not there throughout');
          for (const { name, access } of platform.registers) {
            const expected = access === 'read-write' ? RUBBISH : before[name];
            if (after[name] !== expected && !driven.has(name)) found.push(`${name} is ${after[name]}`);
          }
          for (const { offset } of storage(platform)) vcoproc.registers.write(offset, 0);
          for (const { offset } of plainStorage(platform)) vcoproc.registers.write(offset, RUBBISH);
          attacked.set();

          for (const { name, offset, access, firmware, reset } of platform.registers) {
            const [value] = await run(vcoproc, OP.registerRead, offset);
            if (access === 'read-write' && value !== (firmware ? RUBBISH : 0))
              found.push(`${name} is ${value} in the end`);
            if (access === 'none' && value !== reset) found.push(`${name} is ${value} to the firmware`);
          }
          if ((await otherWord(vcoproc, 7)) !== undefined) found.push('its own memory changed');
          // The triggers have acted by now, and on nobody else.
          if (triggers.some(({ name }) => name === 'MAILBOX_IN')) {
            const { MAILBOX_IN, MAILBOX_FULL } = readAll(vcoproc, platform);
            if (MAILBOX_IN !== RUBBISH || MAILBOX_FULL !== 1)
              found.push(`mailbox ${MAILBOX_IN}, ${MAILBOX_FULL}`);
          }
        });
        expect(attacker.kind).toBe('ok');
        await rig.domain('neighbour', { cp0: 'pattern' }, async (domain) => {
          const vcoproc = domain.coproc('cp0');
          vcoproc.registers.write(first!.offset, 0xcafe);
          if (where === 'away') {
            await run(vcoproc, OP.fillWord, 9);
            while (rig.domains[0]!.vcoprocs[0]!.queues.counts.ok === 0) await domain.sleep(us(50));
            await run(vcoproc, OP.fillWord, 9);
          }
          await attacked.wait(domain);
          if (where === 'mapped') await run(vcoproc, OP.fillWord, 9);
          if ((await otherWord(vcoproc, 9)) !== undefined) found.push('the neighbour lost its memory');
          for (const { name, offset, access, reset } of platform.registers) {
            const [value] = await run(vcoproc, OP.registerRead, offset);
            const expected = offset === first!.offset ? 0xcafe : reset;
            if (access !== 'read-only' && name !== 'IRQ_STATUS' && value !== expected)
              found.push(`${name} of the neighbour is ${value}`);
          }
        });
        const report = await rig.run();
        expect(report.domains.filter(({ state }) => state !== 'finished')).toEqual([]);
        expect(found).toEqual([]);
      });
    },
  );

  it('keep their values when the firmware itself writes everywhere', async () => {
    await withRig(kind, { coprocs: [board] }, async (rig) => {
      const found: string[] = [];
      await rig.domain('attacker', { cp0: 'pattern' }, async (domain) => {
        const vcoproc = domain.coproc('cp0');
        const write = (offset: number): Promise<unknown> => run(vcoproc, OP.registerWrite, offset, RUBBISH);
        await Promise.all(FIRMWARE_OFFSETS.map(write));
        const after = readAll(vcoproc, platform);
        for (const { name, firmware, access, reset } of platform.registers) {
          if (access === 'none') continue;
          const own = ['FENCE', 'STATUS', 'STATE', 'TILES', 'IRQ_STATUS'].includes(name);
          if (firmware ? after[name] !== RUBBISH : !own && after[name] !== reset)
            found.push(`${name} is ${after[name]}`);
        }
        if (after['FENCE'] !== FIRMWARE_OFFSETS.length - 1) found.push(`fence ${after['FENCE']}`);
        if (after['IRQ_STATUS'] !== 1) found.push(`interrupts ${after['IRQ_STATUS']}`);
      });
      const report = await rig.run();
      expect(report.domains.filter(({ state }) => state !== 'finished')).toEqual([]);
      expect(found).toEqual([]);
    });
  });
});

describe('a register', () => {
  it('holds what its guest wrote last, whenever the guest wrote it', async () => {
    const length = fc.integer({ min: 1, max: 120 }).map(us);
    const writes = fc.array(length, { minLength: 1, maxLength: 25 });
    const latency = fc.constantFrom(0, 2, 30).map(us);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...Object.values(PLATFORMS)),
        latency,
        writes,
        async (compatible, interruptLatency, pauses) => {
          const costs = { switchBandwidth: 4e9, dmaBandwidth: 8e9, interruptLatency };
          const board = coproc('cp0', { compatible, timeslice: us(30), costs });
          const [register] = plainStorage(platforms[compatible]!);
          await withRig('simulated', { coprocs: [board] }, async (rig) => {
            const found: string[] = [];
            let over = false;
            const load = async (vcoproc: Parameters<typeof run>[0]): Promise<void> => {
              while (!over) await run(vcoproc, OP.checksum);
            };
            await rig.domain('writer', { cp0: 'pattern' }, async (domain) => {
              const vcoproc = domain.coproc('cp0');
              const busy = load(vcoproc);
              for (const [count, pause] of pauses.entries()) {
                // Two in a row, at moments of their own: the second must not be overtaken by the first.
                for (const value of [2 * count, 2 * count + 1]) {
                  vcoproc.registers.write(register!.offset, value);
                  await domain.sleep(pause);
                  const guest = vcoproc.registers.read(register!.offset);
                  if (guest !== value) found.push(`wrote ${value}, reads ${guest}`);
                }
                const [firmware] = await run(vcoproc, OP.registerRead, register!.offset);
                if (firmware !== 2 * count + 1)
                  found.push(`wrote ${2 * count + 1}, the firmware reads ${firmware}`);
              }
              over = true;
              await busy;
            });
            await rig.domain('other', { cp0: 'pattern' }, (domain) => load(domain.coproc('cp0')));
            await rig.run();
            expect(found).toEqual([]);
          });
        },
      ),
      { numRuns: 40 },
    );
  });
});
