import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import type { GuestCoproc } from '../../src/contract/guest.ts';
import type { RunReport } from '../../src/contract/report.ts';
import { platforms } from '../../src/platforms/index.ts';
import { coproc, PLATFORMS, RUNTIMES, withRig } from '../rig.ts';
import {
  Flag,
  OP,
  PATTERNS,
  defaults,
  otherWord,
  plainStorage,
  quiet,
  readAll,
  run,
  storage,
} from './window.ts';

// Named after what the Intel GPU tools' context isolation tests do.

const CASES = RUNTIMES.flatMap((kind) =>
  Object.entries(PLATFORMS).map(([name, compatible]) => ({
    kind,
    name,
    platform: platforms[compatible]!,
    // Long enough for a busy machine on threads; in virtual time the firmware runs it to its end.
    board: coproc('cp0', { compatible, timeslice: us(50), stopDeadline: ms(kind === 'threads' ? 800 : 20) }),
  })),
);

const hex = (value: number): string => (value >>> 0).toString(16);

function allFinished(report: RunReport): void {
  expect(report.domains.filter(({ state }) => state !== 'finished')).toEqual([]);
}

describe.each(CASES)('contexts on $name, $kind', ({ kind, platform, board }) => {
  /** A value that leaves the queue running and the completions coming. */
  const harmless = (offset: number, value: number): number =>
    plainStorage(platform).some((register) => register.offset === offset) ? value : value & ~1;

  function writeAll(vcoproc: GuestCoproc, value: (offset: number) => number): void {
    for (const { offset } of storage(platform)) vcoproc.registers.write(offset, value(offset));
  }

  /** What a fresh context must not find: anything but defaults, from either side. */
  async function leaks(vcoproc: GuestCoproc): Promise<string[]> {
    const found: string[] = [];
    const seen = readAll(vcoproc, platform);
    for (const [name, value] of Object.entries(defaults(platform)))
      if (seen[name] !== value) found.push(`${name} is ${hex(seen[name]!)} before the first command`);
    const word = await otherWord(vcoproc, 0);
    if (word !== undefined) found.push(`local memory holds ${word}`);
    for (const { name, offset, reset } of quiet(platform)) {
      const [value] = await run(vcoproc, OP.registerRead, offset);
      // Its own completions raise line 0, and that alone.
      const own = offset === platform.core.interruptStatus ? 1 : 0;
      if ((value! & ~own) !== (reset & ~own)) found.push(`${name} is ${hex(value!)} to the firmware`);
    }
    const fence = vcoproc.registers.read(platform.core.fence);
    if (fence > quiet(platform).length) found.push(`fence ${fence} is of somebody else's command`);
    const mapped = readAll(vcoproc, platform);
    for (const { name, offset } of storage(platform))
      if (mapped[name] !== 0) found.push(`${name} (${hex(offset)}) is ${hex(mapped[name]!)} afterwards`);
    return found;
  }

  it('are clean: a fresh one reads defaults everywhere after another left its pattern', async () => {
    await withRig(kind, { coprocs: [board] }, async (rig) => {
      const [dirty, looked] = [PATTERNS.map(() => new Flag()), PATTERNS.map(() => new Flag())];
      const found: string[] = [];
      await rig.domain('dirty', { cp0: 'pattern' }, async (domain) => {
        const vcoproc = domain.coproc('cp0');
        for (const [turn, pattern] of PATTERNS.entries()) {
          await run(vcoproc, OP.fillWord, pattern);
          for (const { offset } of plainStorage(platform))
            await run(vcoproc, OP.registerWrite, offset, pattern);
          writeAll(vcoproc, () => pattern);
          dirty[turn]!.set();
          await looked[turn]!.wait(domain);
          for (const { name, offset } of storage(platform))
            if (vcoproc.registers.read(offset) !== pattern) found.push(`${name} lost ${hex(pattern)}`);
          writeAll(vcoproc, () => 0);
          if ((await otherWord(vcoproc, pattern)) !== undefined) found.push(`memory lost ${hex(pattern)}`);
        }
      });
      for (const turn of PATTERNS.keys())
        await rig.domain(`fresh${turn}`, { cp0: 'pattern' }, async (domain) => {
          await dirty[turn]!.wait(domain);
          found.push(...(await leaks(domain.coproc('cp0'))));
          looked[turn]!.set();
        });
      allFinished(await rig.run());
      expect(found).toEqual([]);
    });
  });

  it('are clean after a dirty switch: a fresh one reads defaults while another is in the middle of its work', async () => {
    await withRig(kind, { coprocs: [board] }, async (rig) => {
      const [dirty, looked] = [PATTERNS.map(() => new Flag()), PATTERNS.map(() => new Flag())];
      const found: string[] = [];
      let over = false;
      let turn = 0;
      const busy = await rig.domain('dirty', { cp0: 'pattern' }, async (domain) => {
        const vcoproc = domain.coproc('cp0');
        const lane = async (): Promise<void> => {
          while (!over) await run(vcoproc, OP.fillWord, PATTERNS[turn]!);
        };
        const lanes = [lane(), lane(), lane()];
        for (const pattern of PATTERNS) {
          await run(vcoproc, OP.fillWord, pattern);
          writeAll(vcoproc, (offset) => harmless(offset, pattern));
          dirty[turn]!.set();
          await looked[turn]!.wait(domain);
          for (const { name, offset } of storage(platform))
            if (vcoproc.registers.read(offset) !== harmless(offset, pattern) >>> 0)
              found.push(`${name} lost ${hex(pattern)}`);
          turn = Math.min(turn + 1, PATTERNS.length - 1);
        }
        over = true;
        await Promise.all(lanes);
      });
      if (busy.kind === 'failed') throw new Error(busy.reason);
      for (const mine of PATTERNS.keys())
        await rig.domain(`fresh${mine}`, { cp0: 'pattern' }, async (domain) => {
          await dirty[mine]!.wait(domain);
          if (busy.value.vcoprocs[0]!.queues.outstanding === 0)
            found.push('nothing to be switched away from');
          found.push(...(await leaks(domain.coproc('cp0'))));
          looked[mine]!.set();
        });
      allFinished(await rig.run());
      expect(found).toEqual([]);
    });
  });

  /** Seven contexts, each with its own pattern everywhere, over many switches; `meanwhile` says when to stop. */
  async function preserve(rounds: number, hang: boolean): Promise<RunReport> {
    return withRig(kind, { coprocs: [board] }, async (rig) => {
      const found: string[] = [];
      const tiles = platform.registers.find(({ name }) => name === 'TILES');
      const ready = PATTERNS.map(() => new Flag());
      const hung = new Flag();
      for (const [mine, pattern] of PATTERNS.entries())
        await rig.domain(`keeper${mine}`, { cp0: 'pattern' }, async (domain) => {
          const vcoproc = domain.coproc('cp0');
          const globals = new Globals();
          const value = (offset: number): number => harmless(offset, pattern) >>> 0;
          const order = async (op: number, ...args: number[]): Promise<readonly number[]> => {
            const results = await run(vcoproc, op, ...args);
            const wrong = globals.next(op, args[0]!, results);
            if (wrong !== undefined) found.push(`${domain.name}: ${wrong}`);
            // What the device itself counts, even while the context is on its way out.
            const counted = tiles === undefined ? globals.steps : vcoproc.registers.read(tiles.offset);
            if (counted !== globals.steps)
              found.push(
                `${domain.name}: the device counted ${counted} steps, the firmware ${globals.steps}`,
              );
            return results;
          };
          const check = async (when: string): Promise<void> => {
            const [, at, word] = await order(OP.verifyWord, pattern);
            if (at !== -1) found.push(`${domain.name}: ${hex(word!)} at ${at}, ${when}`);
            for (const { name, offset } of storage(platform)) {
              const guest = vcoproc.registers.read(offset);
              const [firmware] = await order(OP.registerRead, offset);
              if (guest !== value(offset) || firmware! >>> 0 !== guest)
                found.push(`${domain.name}: ${name} ${hex(guest)} and ${hex(firmware!)}, ${when}`);
            }
          };
          await order(OP.fillWord, pattern);
          writeAll(vcoproc, value);
          for (let round = 0; round < rounds; round++) await check(`round ${round}`);
          ready[mine]!.set();
          if (!hang) return;
          await hung.wait(domain);
          for (let round = 0; round < rounds; round++) await check(`round ${round} after the reset`);
        });
      if (hang)
        await rig.domain('spinner', { cp0: 'spin' }, async (domain) => {
          for (const flag of ready) await flag.wait(domain);
          const { status } = await domain.coproc('cp0').submit({ op: 1 });
          if (status !== 'failed') found.push(`the hung command ended as ${status}`);
          hung.set();
        });
      const report = await rig.run();
      allFinished(report);
      expect(found).toEqual([]);
      return report;
    });
  }

  it('are preserved: seven keep registers, local memory and globals over many switches', async () => {
    const rounds = 3;
    const report = await preserve(rounds, false);
    expect(report.coprocs[0]!.switches).toBeGreaterThan(PATTERNS.length * rounds * 2);
    expect(report.coprocs[0]!.resets).toBe(0);
  });

  it('are preserved when an eighth hangs and the coprocessor is reset', async () => {
    const report = await preserve(1, true);
    expect(report.coprocs[0]!.resets).toBe(1);
    for (const { domain, state, commands, faults } of report.vcoprocs) {
      if (domain === 'spinner') expect(faults).toEqual([expect.stringMatching(/did not/)]);
      else expect([domain, state, commands.failed, faults]).toEqual([domain, 'gone', 0, []]);
    }
  });
});

/** The globals of the `pattern` firmware, as its commands should have left them. */
class Globals {
  #history = 0xcbf29ce484222325n;
  steps = 0;
  #stepsOfOne: number | undefined;

  /** What is wrong with what a command reports of them, if anything. */
  next(op: number, first: number, results: readonly number[]): string | undefined {
    this.#history = (this.#history ^ (BigInt(op) << 32n) ^ BigInt(first >>> 0)) * 0x100000001b3n;
    this.#history = BigInt.asUintN(64, this.#history);
    const hash = Number(BigInt.asIntN(32, this.#history ^ (this.#history >> 32n)));
    if (op === OP.fillWord || op === OP.verifyWord) {
      this.#stepsOfOne ??= results[7]!;
      this.steps += this.#stepsOfOne;
    }
    if (results[6] !== hash) return `the hash of its commands is ${results[6]}, expected ${hash}`;
    if (results[7] !== this.steps) return `it counted ${results[7]} steps, expected ${this.steps}`;
    return undefined;
  }
}
