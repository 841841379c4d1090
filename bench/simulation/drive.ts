import { performance } from 'node:perf_hooks';
import { bytes, kib, ms, seconds, us, type Instant } from '../../src/base/units.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import { coprocId, domainId } from '../../src/contract/names.ts';
import { runSeed } from '../../src/explore/run-seeds.ts';
import type { Subject } from '../../src/explore/subject.ts';
import { firmwareLibrary } from '../../src/firmware/library.ts';
import { Hypervisor } from '../../src/hypervisor/hypervisor.ts';
import { platforms } from '../../src/platforms/index.ts';
import { EventQueue } from '../../src/runtime/simulated/event-queue.ts';
import { SimulatedRuntime } from '../../src/runtime/simulated/runtime.ts';
import { schedulers } from '../../src/schedulers/index.ts';

/** Timers that ask to happen again after a pseudo-random delay, on the event queue alone: events per second. */
export function timers(pending: number, events: number): number {
  const queue = new EventQueue();
  let chance = 12345;
  for (let n = 0; n < pending; n++) {
    const fire = (): void => {
      chance = (Math.imul(chance, 1664525) + 1013904223) | 0;
      queue.add((queue.at + 1 + ((chance >>> 8) % 1000)) as Instant, fire);
    };
    queue.add(n as Instant, fire);
  }
  const begun = performance.now();
  take(queue, events);
  return (events * 1e3) / (performance.now() - begun);
}

function take(queue: EventQueue, events: number): void {
  for (let n = 0; n < events; n++) queue.take()!();
}

const nowhere = { file: 'bench', line: 1, column: 1 };
const library = firmwareLibrary();

/** Four domains that share a simulated coprocessor for `milliseconds` of virtual time: events of its queue per second. */
export async function framework(milliseconds: number): Promise<number> {
  let events = 0;
  const runtime = new SimulatedRuntime(1, { onStep: () => void events++ });
  const hypervisor = new Hypervisor({
    runtime,
    platforms,
    schedulers,
    firmware: (name) => library.load(name, { metered: true }),
    trace: () => {},
  });
  hypervisor.addCoproc({
    id: coprocId('gpu0'),
    path: '/gpu0',
    compatible: 'covisor,tile-gpu',
    scheduler: { name: 'round-robin', parameters: {} },
    timeslice: us(100),
    stopDeadline: ms(4),
    commandTimeout: seconds(1),
    denyRetryLimit: undefined,
    localMemory: kib(64),
    clock: 800_000_000,
    registers: { base: 0, size: bytes(4096) },
    interrupts: [32],
    streamId: 1,
    costs: { switchBandwidth: 4e9, dmaBandwidth: 8e9, interruptLatency: us(2) },
    position: nowhere,
  });
  const length = ms(milliseconds);
  const main = async (domain: GuestDomain): Promise<void> => {
    const gpu = domain.coproc('gpu0');
    while (domain.now() < length) await gpu.submit({ op: 4, args: [20] });
  };
  const files = { asset: () => new Uint8Array(), input: undefined, write: () => '' };
  const runs: Promise<void>[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    const coprocs = [{ coproc: coprocId('gpu0'), firmware: 'spin', parameters: {}, position: nowhere }];
    const created = await hypervisor.createDomain(
      {
        name: domainId(name),
        memory: kib(256),
        kernel: 'bench',
        coprocs,
        extra: '',
        takes: [],
        position: nowhere,
      },
      { main },
      files,
    );
    if (created.kind === 'failed') throw new Error(created.reason);
    runs.push(hypervisor.runDomain(created.value));
  }
  const begun = performance.now();
  await runtime.drive(Promise.all(runs).then(() => undefined));
  const took = performance.now() - begun;
  hypervisor.close();
  return (events * 1e3) / took;
}

/** Seeds of a campaign in this thread, with every law, faults and the guard: runs and events per second. */
export async function campaign(
  subject: Subject,
  first: number,
  milliseconds: number,
): Promise<{ readonly runs: number; readonly events: number }> {
  const begun = performance.now();
  let [runs, events, took] = [0, 0, 0];
  for (; took < milliseconds; runs++) {
    const record = await runSeed(subject, first + runs, { faults: 4, guardEvery: 64 });
    if (record.failure !== null) throw new Error(record.failure.what);
    events += record.steps;
    took = performance.now() - begun;
  }
  return { runs: (runs * 1e3) / took, events: (events * 1e3) / took };
}
