import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { ms } from '../../src/base/units.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import type { Runtime } from '../../src/contract/port.ts';
import { coproc, withRig, type Main, type Rig } from '../rig.ts';
import { STREAM_BYTES, ownFirmware, reasonOf, vcoprocOf } from './support.ts';

/**
 * How an attack ends for whoever tries it: its domain is not created; it crashes; its vcoproc never gets the
 * coprocessor again; its command fails; nothing comes of it. `either` of the last two or
 * `any` of the last three, as chance has it.
 */
export type Ending = 'refused' | 'crashed' | 'isolated' | 'failed' | 'harmless' | 'either' | 'any';

export interface Attack {
  /** WebAssembly text, or the name of a kernel; `spin` unless given. */
  readonly firmware?: string;
  readonly main: (domain: GuestDomain, rig: Rig) => Promise<void>;
  readonly ends: Ending;
}

const ROUNDS = 3;

/**
 * Fills and sums up memory again and again, as long as `goesOn` and a full round after it, and notes what came of it.
 * Crashes when the same work gives something else.
 */
const witness =
  (seen: Map<string, string>, goesOn: () => boolean): Main =>
  async (domain) => {
    const gpu = domain.coproc('gpu0');
    const buffer = domain.memory.allocate(STREAM_BYTES);
    const iova = gpu.map(buffer, 'read-write');
    const note = (what: string, content: string | Uint8Array): void => {
      const hash = createHash('sha256').update(content).digest('hex');
      if ((seen.get(what) ?? hash) !== hash) throw new Error(`${what} gives something else than before`);
      seen.set(what, hash);
    };
    const round = async (): Promise<void> => {
      for (let seed = 1; seed <= ROUNDS; seed++) {
        const filled = await gpu.submit({ op: 3, args: [iova, STREAM_BYTES, seed] });
        const read = await gpu.submit({ op: 1, args: [iova, STREAM_BYTES] });
        note(`fill ${seed}`, JSON.stringify([filled, read].map(({ status, results }) => [status, results])));
        note(`bytes ${seed}`, buffer.bytes);
      }
    };
    do await round();
    while (goesOn());
    await round();
  };

/** A context whose local memory must be what it was filled with. */
const keeper =
  (seen: Map<string, string>, goesOn: () => boolean): Main =>
  async (domain) => {
    const gpu = domain.coproc('gpu0');
    const filled = await gpu.submit({ op: 1, args: [7] });
    seen.set('filled', JSON.stringify([filled.status, filled.results]));
    for (let round = 0; round < ROUNDS || goesOn(); round++) {
      const { status, results } = await gpu.submit({ op: 2, args: [7] });
      if (results[1] !== -1) throw new Error(`${status}: local memory differs at ${results[1]}`);
      if (round < ROUNDS) seen.set(`kept ${round}`, JSON.stringify([status, results]));
      await domain.sleep(ms(1));
    }
  };

export interface Beside {
  readonly seen: Readonly<Record<string, string>>;
  readonly endings: Readonly<Record<string, Ending>>;
}

/** What two neighbours compute beside attacks, all at once, and how each of them ended. */
export async function beside(
  kind: Runtime['kind'],
  attacks: Readonly<Record<string, Attack>>,
): Promise<Beside> {
  const seen = new Map<string, string>();
  const names = new Map(Object.keys(attacks).map((what, number) => [what, `attacker${number}`]));
  const texts = Object.entries(attacks).filter(
    ([, { firmware }]) => firmware?.startsWith('(module') === true,
  );
  const firmware = ownFirmware(
    Object.fromEntries(texts.map(([what, { firmware = '' }]) => [names.get(what)!, firmware])),
  );
  // A busy machine may not give a thread its turn for long; simulated deadlines cost their cycles.
  const deadlines =
    kind === 'threads'
      ? { stopDeadline: ms(150), commandTimeout: ms(1000) }
      : { stopDeadline: ms(10), commandTimeout: ms(20) };
  return withRig(kind, { firmware, coprocs: [coproc('gpu0', deadlines)] }, async (rig) => {
    const open = new Set<string>();
    const refused = new Set<string>();
    const goesOn = (): boolean => {
      for (const { name, state } of rig.report().domains) if (state === 'crashed') open.delete(name);
      return open.size > 0;
    };
    await rig.domain('witness', { gpu0: 'stream' }, witness(seen, goesOn));
    await rig.domain('keeper', { gpu0: 'pattern' }, keeper(seen, goesOn));
    for (const [what, { firmware = 'spin', main }] of Object.entries(attacks)) {
      const name = names.get(what)!;
      const kernel = firmware.startsWith('(module') ? name : firmware;
      const created = await rig.domain(name, { gpu0: kernel }, async (domain) => {
        try {
          await main(domain, rig);
        } finally {
          open.delete(name);
        }
      });
      if (created.kind === 'failed') refused.add(name);
      else open.add(name);
    }
    const report = await rig.run();
    const isolated = new Set(
      rig.trace.flatMap((event) =>
        event.kind === 'recovery' && event.step === 'isolated' ? [String(event.vcoproc)] : [],
      ),
    );
    const ending = (name: string): Ending => {
      if (refused.has(name)) return 'refused';
      const own = report.vcoprocs.find(({ id }) => id === `${name}/gpu0`);
      if (report.domains.find((domain) => domain.name === name)?.state === 'crashed') return 'crashed';
      if (isolated.has(`${name}/gpu0`)) return 'isolated';
      return (own?.commands.failed ?? 0) > 0 ? 'failed' : 'harmless';
    };
    for (const name of ['witness', 'keeper']) {
      expect([name, reasonOf(report, name)]).toEqual([name, null]);
      expect(vcoprocOf(report, `${name}/gpu0`)).toMatchObject({ commands: { failed: 0 }, faults: [] });
    }
    expect(report.coprocs[0]?.outOfService).toBe(null);
    return {
      seen: Object.fromEntries(seen),
      endings: Object.fromEntries([...names].map(([what, name]) => [what, ending(name)])),
    };
  });
}
