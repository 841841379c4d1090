import { describe, expect, it } from 'vitest';
import { present } from '../../src/base/assert.ts';
import { instant, ms, seconds, us } from '../../src/base/units.ts';
import { coprocId } from '../../src/contract/names.ts';
import type { Completion, GuestDomain } from '../../src/contract/guest.ts';
import type { CoprocDescription } from '../../src/contract/system.ts';
import type { Domain } from '../../src/hypervisor/domain.ts';
import { resumedCoproc, type SavedSystem } from '../../src/hypervisor/saved.ts';
import { packPlain, unpackPlain } from '../../src/toolstack/control/frame.ts';
import { firmwareText, once, ownFirmware, vcoprocOf, withCaptive, type Captive } from '../hostile/support.ts';
import { coproc, type Main, type Rig } from '../rig.ts';

const COUNT = 4;
const FOR_EVER = 1 << 30;
const gpu0 = coprocId('gpu0');
const firmware = ownFirmware({ trap: firmwareText({ step: '(unreachable)' }) });

interface Share {
  readonly main: Main;
  readonly firmware: string;
  readonly parameters?: Readonly<Record<string, number>>;
}

interface Piece {
  readonly rig: Rig;
  readonly captive: Captive;
  /** Saves, and ends this piece. */
  save(): Promise<void>;
  domain(name: string): Domain;
  /** What it goes on from. */
  readonly before: SavedSystem | undefined;
}

/** Runs a system in pieces: what each does is done to what the one before it saved. */
async function inPieces(
  coprocs: readonly CoprocDescription[],
  domains: Readonly<Record<string, Share>>,
  pieces: readonly ((piece: Piece) => Promise<void>)[],
): Promise<SavedSystem> {
  let before: SavedSystem | undefined;
  for (const piece of pieces) {
    const described = coprocs.map((one) => {
      const saved = before?.coprocs.find(({ id }) => id === one.id);
      return saved === undefined ? one : resumedCoproc(one, saved);
    });
    const start = instant(before?.at ?? 0);
    before = await withCaptive('simulated', { coprocs: described, firmware, start }, async (rig, captive) => {
      if (before !== undefined) expect(rig.hypervisor.restore(before)).toMatchObject({ kind: 'ok' });
      for (const [name, { main, firmware: image, parameters = {} }] of Object.entries(domains)) {
        const saved = before?.domains.find((one) => one.name === (name as never));
        const settings = saved === undefined ? { parameters } : { saved };
        expect(await rig.domain(name, { gpu0: image }, main, settings)).toMatchObject({ kind: 'ok' });
        // Nobody waits for what was let in before.
        expect(rig.runtime.timeline.now()).toBe(start);
      }
      let saved: SavedSystem | undefined;
      await rig.run(async () => {
        await piece({
          rig,
          captive,
          before,
          domain: (name) => present(rig.hypervisor.domain(name), `there is a domain ${name}`),
          save: async () => {
            const outcome = await rig.hypervisor.save(false);
            if (outcome.kind === 'failed') throw new Error(outcome.reason);
            saved = unpackPlain(packPlain(outcome.value)) as SavedSystem;
          },
        });
        for (const domain of rig.domains) await rig.hypervisor.destroyDomain(domain);
      });
      return saved ?? before;
    });
  }
  return present(before, 'a piece was saved');
}

/** Commands of one kind, one after the other, whatever becomes of them; once its share is gone, none. */
const submitting =
  (op: number, args: readonly number[] = [], failures: (string | undefined)[] = []): Main =>
  async (domain: GuestDomain) => {
    domain.onCheckpoint(() => 'resumed');
    const hear = async (completion: Promise<Completion>): Promise<void> => {
      const { status, reason } = await completion;
      if (status === 'failed') failures.push(reason);
    };
    try {
      const gpu = domain.coproc('gpu0');
      for (const { completion } of gpu.outstanding()) await hear(completion);
      for (;;) {
        await hear(gpu.submit({ op, args }));
        await domain.sleep(us(500));
      }
    } catch {
      await domain.sleep(seconds(100));
    }
  };
const neighbour: Share = { main: submitting(COUNT, [200]), firmware: 'spin' };

/** What does not change by itself: all but medians, and the time that goes by. */
function lasting({ coprocs, domains, past }: SavedSystem): unknown {
  const still = {
    past,
    coprocs: coprocs.map(({ report, ...rest }) => ({
      ...rest,
      faults: report.faults,
      resets: report.resets,
    })),
    domains: domains.map(({ vcoprocs, ...domain }) => ({
      ...domain,
      vcoprocs: vcoprocs.map((one) => ({ ...one, report: { ...one.report, wait: null } })),
    })),
  };
  // Bytes are bytes, whatever holds them.
  return JSON.parse(JSON.stringify(still));
}

describe('after a checkpoint', () => {
  it('watchdogs are what they were changed to, and a scheduler was promised them', async () => {
    const tree = coproc('gpu0', { scheduler: { name: 'edf', parameters: {} } });
    const share: Share = { ...neighbour, parameters: { period: 1_000_000, budget: 1000 } };
    const change = { stopDeadline: ms(5), heartbeat: ms(70), commandTimeout: ms(800) };
    const told: unknown[] = [];
    const late: unknown[] = [];
    await inPieces([tree], { a: share }, [
      async ({ rig, save }) => {
        expect(rig.hypervisor.watch(gpu0, change)).toMatchObject({ kind: 'ok' });
        await rig.after(ms(2));
        await save();
      },
      async ({ rig }) => {
        told.push(rig.hypervisor.watchdogs(gpu0));
        // With the stop deadline of the tree, no such period could be kept.
        const shorter = { parameters: { period: 50_000, budget: 1000 } };
        late.push((await rig.domain('b', { gpu0: 'noop' }, once(1), shorter)).kind);
        await rig.hypervisor.destroyDomain(rig.domains[1]!);
      },
    ]);
    expect(told).toEqual([{ ...change, resetDeadline: tree.resetDeadline }]);
    expect(late).toEqual(['ok']);
  });

  it('faults still count: the third bans, wherever the first two were', async () => {
    const recovery = { onFault: 'ban', faults: { most: 3, within: seconds(1) } } as const;
    const heard: (string | undefined)[] = [];
    const domains = { red: { main: submitting(1, [], heard), firmware: 'trap' }, neighbour };
    const faults: number[] = [];
    const oneMore = async ({ rig, save }: Piece): Promise<void> => {
      const before = heard.length;
      while (heard.length === before) await rig.after(us(100));
      faults.push(vcoprocOf(rig.report(), 'red/gpu0').faults.length);
      await save();
    };
    const saved = await inPieces([coproc('gpu0', { recovery })], domains, [oneMore, oneMore, oneMore]);
    expect(faults).toEqual([1, 2, 3]);
    expect(saved.domains[0]!.vcoprocs[0]!.report.state).toBe('isolated');
    expect(saved.coprocs[0]!.report.isolated).toBe(1);
  });

  it('a command has had what it had: checkpoints do not put off its timeout', async () => {
    const heard: (string | undefined)[] = [];
    const domains = { slow: { main: submitting(COUNT, [FOR_EVER], heard), firmware: 'spin' }, neighbour };
    const three = async ({ rig, save }: Piece): Promise<void> => {
      await rig.after(ms(3));
      await save();
    };
    const tree = coproc('gpu0', { commandTimeout: ms(8), timeslice: us(500), recovery: { onFault: 'ban' } });
    await inPieces(
      [tree],
      domains,
      Array.from({ length: 10 }, () => three),
    );
    expect(heard[0]).toBe('a command ran longer than 8.00 ms');
  });

  it('who owes for its faults pays before it is let in anew', async () => {
    const recovery = { onFault: 'ban', faults: { most: 9, within: seconds(1) } } as const;
    const tree = coproc('gpu0', { recovery, commandTimeout: ms(5) });
    const domains = {
      red: { main: submitting(COUNT, [FOR_EVER]), firmware: 'spin' },
      neighbour: { ...neighbour, main: submitting(COUNT, [20_000]) },
    };
    const debts: number[] = [];
    await inPieces([tree], domains, [
      async ({ rig, domain, save }) => {
        while (vcoprocOf(rig.report(), 'red/gpu0').faults.length < 2) await rig.after(us(20));
        expect(await rig.hypervisor.detach(domain('red'), gpu0)).toMatchObject({ kind: 'ok' });
        rig.hypervisor.forget(domain('red'));
        await save();
      },
      async ({ rig, domain, before }) => {
        const [[name, until]] = before!.coprocs[0]!.debts as unknown as [[string, number]];
        debts.push(until - before!.at);
        expect(name).toBe('red/gpu0');
        expect(await rig.hypervisor.attach(domain('red'), gpu0, 'noop', {})).toMatchObject({ kind: 'ok' });
        expect(rig.runtime.timeline.now()).toBeGreaterThanOrEqual(until);
      },
    ]);
    expect(debts[0]).toBeGreaterThan(0);
  });

  it('everything is there that was: a system that stands still is saved again as it was', async () => {
    const recovery = { onFault: 'ban', faults: { most: 99, within: seconds(1) } } as const;
    const trees = [coproc('gpu0', { recovery, scheduler: { name: 'credit', parameters: {} } })];
    const atFirst = (main: Main): Main => {
      return async (domain) => {
        if (domain.resumed === undefined) return main(domain);
        domain.onCheckpoint(() => 'resumed');
        await domain.sleep(seconds(100));
      };
    };
    const domains = {
      red: { main: atFirst(submitting(1)), firmware: 'trap' },
      slow: { main: atFirst(submitting(COUNT, [FOR_EVER])), firmware: 'spin' },
    };
    const first: unknown[] = [];
    const again = await inPieces(trees, domains, [
      async ({ rig, domain, save }) => {
        await rig.after(ms(20));
        for (const name of Object.keys(domains)) rig.hypervisor.pauseDomain(domain(name));
        await rig.after(ms(5));
        await save();
      },
      async ({ rig, save, before }) => {
        first.push(lasting(before!));
        await rig.after(us(10));
        await save();
      },
    ]);
    expect(first).toEqual([lasting(again)]);
    // Of everything, something.
    const [red, slow] = again.domains.map(({ vcoprocs }) => vcoprocs[0]!);
    expect(red!.guilt.offences.length).toBeGreaterThan(1);
    expect(red!.guilt.paidUntil).toBeGreaterThan(0);
    expect(slow!.longest.command).not.toBe(null);
    expect(again.coprocs[0]!.debts.length).toBe(1);
    expect(JSON.stringify(again.coprocs[0]!.past)).toContain('slow/gpu0');
  });

  it('deaths still count, whoever was there, and a coprocessor that is out of service is saved and stays so', async () => {
    const recovery = { onFault: 'ban', restarts: { most: 2, within: seconds(100) } } as const;
    const other = coproc('gpu1');
    // Not always the same one, or that one would be blamed for it.
    let deaths = 0;
    const die = async ({ rig, captive, save }: Piece): Promise<void> => {
      const there = `${'aba'[deaths++]!}/gpu0`;
      while ((rig.hypervisor.occupancy()[1]?.owner as string | null) !== there) await rig.after(us(10));
      captive.kill();
      await rig.after(ms(2));
      await save();
    };
    const trees = [other, coproc('gpu0', { recovery })];
    const states: unknown[] = [];
    const saved = await inPieces(trees, { a: neighbour, b: neighbour }, [
      die,
      die,
      die,
      async ({ rig, save }) => {
        states.push(rig.hypervisor.occupancy()[1]?.state);
        states.push((await rig.domain('late', { gpu0: 'noop' }, once(1))).kind);
        states.push((await rig.domain('elsewhere', { gpu1: 'noop' }, once(1))).kind);
        await rig.hypervisor.destroyDomain(rig.domains.at(-1)!);
        await save();
      },
    ]);
    expect(states).toEqual(['outOfService', 'failed', 'ok']);
    expect(saved.coprocs[1]!.report.outOfService).toMatch(/^3 deaths in 100 s/);
    expect(saved.coprocs[1]!.report.isolated).toBe(2);
  });
});
