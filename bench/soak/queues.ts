import { seededRandom, type Random } from '../../src/base/random.ts';
import { us } from '../../src/base/units.ts';
import { BATCH_STATUS, BATCH_WORDS, type GuestDomain, type GuestQueue } from '../../src/contract/guest.ts';
import type { QueueTable } from '../../src/hypervisor/queue-table.ts';
import { System } from '../path/system.ts';

const DOMAINS = ['red', 'green'];
/** Queues that each domain uses at once, beside the default one. */
const QUEUES = 8;
/** The operation of the firmware `noop` that gives its arguments back. */
const ECHO = 1;

/** What one run has done. */
interface Tally {
  commands: number;
  ok: number;
  cancelled: number;
  created: number;
  evictions: number;
  left: number;
}

/** What a command carries beside its number, so that a torn or foreign one is seen. */
const seal = (number: number, owner: number): number => Math.imul(number ^ (owner << 24), 0x9e3779b1);

/**
 * Commands through many small queues of two domains on one coprocessor: with and without promises, with pauses,
 * while queues are evicted, restored and destroyed at random and the domains' contexts are switched. Each command
 * gives back its own words, once and in order, or is cancelled with its queue.
 */
export async function queues(seed: number, count = 1_000_000): Promise<object> {
  const system = new System(1, { timeslice: us(200) });
  const tally: Tally = { commands: 0, ok: 0, cancelled: 0, created: 0, evictions: 0, left: count };
  try {
    const domains: GuestDomain[] = [];
    for (const name of DOMAINS) domains.push(await system.domain(name, 'gpu0', 'noop'));
    let over = false;
    const users = domains.flatMap((domain, owner) =>
      Array.from({ length: QUEUES }, (_, n) =>
        user(domain, seededRandom(seed * 1000 + owner * 100 + n), owner * 100 + n, tally),
      ),
    );
    const done = Promise.all(users).finally(() => (over = true));
    const tables = system.hypervisor.vcoprocs.map((vcoproc) => vcoproc.queues);
    const meddlers = tables.map((table, n) =>
      meddle(table, domains[n]!, seededRandom(seed + n), tally, () => over),
    );
    await Promise.all([done, ...meddlers]);
  } finally {
    await system.close();
  }
  if (tally.ok + tally.cancelled !== tally.commands)
    throw new Error(`queues, seed ${seed}: ${JSON.stringify(tally)} does not add up`);
  const { left: _, ...found } = tally;
  return found;
}

/** Evicts and restores queues at random, some of which are destroyed meanwhile. */
async function meddle(
  table: QueueTable,
  domain: GuestDomain,
  random: Random,
  tally: Tally,
  over: () => boolean,
): Promise<void> {
  while (!over()) {
    const index = random.below(QUEUES + 1);
    if (table.has(index)) {
      const times = 1 + random.below(3);
      const evicted = Array.from({ length: times }, () => table.evict(index));
      tally.evictions += times;
      if (random.below(2) === 0) await Promise.all(evicted.map(({ quiet }) => quiet));
      // It may be destroyed meanwhile, and its place another's.
      if (random.below(2) === 0) await domain.sleep(us(random.below(300)));
      for (const { restore } of evicted) restore();
    }
    await domain.sleep(us(random.below(500)));
  }
}

/** Uses one queue after the other, each for a while. */
async function user(domain: GuestDomain, random: Random, owner: number, tally: Tally): Promise<void> {
  const gpu = domain.coproc('gpu0');
  while (tally.left > 0) {
    const count = Math.min(tally.left, 1 + random.below(500));
    tally.left -= count;
    tally.commands += count;
    tally.created++;
    const queue = gpu.createQueue({
      capacity: 2 ** random.below(6),
      priority: random.below(16),
      coalesce: { count: 1 + random.below(8), time: us(random.below(200)) },
    });
    if (random.below(2) === 0) await batched(queue, count, owner, random, tally);
    else await awaited(queue, count, owner, random, tally, domain);
    await queue.destroy();
  }
}

/** With a promise for each; the queue may be destroyed in the middle. */
async function awaited(
  queue: GuestQueue,
  count: number,
  owner: number,
  random: Random,
  tally: Tally,
  domain: GuestDomain,
): Promise<void> {
  const end = random.below(4) === 0 ? random.below(count) : Infinity;
  let due = 0;
  let cancelled = false;
  const check = async (number: number): Promise<void> => {
    const { status, results, reason } = await queue.submit({ op: ECHO, args: [number, seal(number, owner)] });
    if (status === 'failed') throw new Error(`command ${number} of ${owner} failed: ${reason}`);
    if (status === 'cancelled') cancelled = true;
    else if (cancelled || number !== due++ || results[0] !== number || results[1] !== seal(number, owner))
      throw new Error(`queue ${owner}: ${results.join(' ')} came for command ${number}, ${due} were done`);
    tally[status]++;
  };
  for (let number = 0; number < count;) {
    const some = Math.min(count - number, 1 + random.below(100));
    const all = Array.from({ length: some }, (_, n) => check(number + n));
    number += some;
    if (number > end) void queue.destroy();
    await Promise.all(all);
    if (random.below(20) === 0) await domain.sleep(us(random.below(200)));
  }
}

/** Without. */
async function batched(
  queue: GuestQueue,
  count: number,
  owner: number,
  random: Random,
  tally: Tally,
): Promise<void> {
  const batch = queue.batch();
  const size = 1 + random.below(64);
  const commands = new Int32Array(size * BATCH_WORDS);
  const completions = new Int32Array(size * BATCH_WORDS);
  for (let sent = 0, done = 0; done < count;) {
    const some = Math.min(size, count - sent);
    for (let k = 0; k < some; k++) commands.set([0, ECHO, sent + k, seal(sent + k, owner)], k * BATCH_WORDS);
    sent += batch.submit(commands, 0, some);
    const there = batch.poll(completions);
    for (let at = 0; at < there * BATCH_WORDS; at += BATCH_WORDS, done++) {
      const [, status, , , , , , , first, second] = completions.subarray(at, at + BATCH_WORDS);
      if (status !== BATCH_STATUS.ok || first !== done || second !== seal(done, owner))
        throw new Error(`queue ${owner}: status ${status}, ${first} ${second} came for command ${done}`);
      tally.ok++;
    }
    if (there === 0 && done < count) await batch.ready();
  }
  batch.close();
}
