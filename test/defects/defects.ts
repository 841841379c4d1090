import { vi } from 'vitest';
import { InvariantError } from '../../src/base/assert.ts';
import { between, ms, type Duration, type Instant } from '../../src/base/units.ts';
import type { CoprocId, VcoprocId } from '../../src/contract/names.ts';
import type { Runtime } from '../../src/contract/port.ts';
import type { Scheduler, SchedulerFactory } from '../../src/contract/scheduler.ts';
import type { Subject } from '../../src/explore/subject.ts';
import { SharedCoproc } from '../../src/hypervisor/coproc.ts';
import { Hypervisor } from '../../src/hypervisor/hypervisor.ts';
import { CommandQueue } from '../../src/hypervisor/queue.ts';
import { Vcoproc } from '../../src/hypervisor/vcoproc.ts';
import { RegisterWindow } from '../../src/hypervisor/window.ts';
import { WorldSwitch } from '../../src/hypervisor/world-switch.ts';
import { schedulers } from '../../src/schedulers/index.ts';

/** One defect of old: what it is, and how to build it in. What is patched is put back after the test. */
export interface Defect {
  readonly what: string;
  /** Parts of the system that differ from those that ship. */
  readonly build: () => Partial<Subject>;
}

const nothingElse: Partial<Subject> = {};

/** Replaces one method; the new one is given the old one. */
export function patch<T extends object, K extends keyof T & string>(
  prototype: T,
  method: K,
  replacement: (
    this: T,
    original: T[K],
    ...args: T[K] extends (...args: infer A) => unknown ? A : never
  ) => unknown,
): Partial<Subject> {
  const original = prototype[method];
  vi.spyOn(prototype as Record<string, (...args: unknown[]) => unknown>, method).mockImplementation(function (
    this: unknown,
    ...args: unknown[]
  ) {
    return replacement.call(this as T, original, ...(args as never));
  });
  return nothingElse;
}

/** A system in which every coprocessor is scheduled like this. */
export const scheduledBy = (create: SchedulerFactory): Partial<Subject> => ({
  schedulers: Object.fromEntries(Object.keys(schedulers).map((name) => [name, { create }])),
});

/** A plain queue, as the old framework had it, with a way to get each of its moves wrong. */
interface Queue {
  readonly wake: (queue: VcoprocId[], vcoproc: VcoprocId) => boolean;
  readonly pick: (queue: VcoprocId[], vcoproc: VcoprocId) => void;
  readonly undo: (queue: VcoprocId[], vcoproc: VcoprocId) => void;
}

const queued =
  ({ wake, pick, undo }: Queue): SchedulerFactory =>
  ({ timeslice }) => {
    const admitted = new Set<VcoprocId>();
    const awake = new Set<VcoprocId>();
    const queue: VcoprocId[] = [];
    const leave = (vcoproc: VcoprocId): void => {
      const at = queue.indexOf(vcoproc);
      if (at >= 0) queue.splice(at, 1);
    };
    const scheduler: Scheduler = {
      name: 'queue',
      admit(vcoproc) {
        admitted.add(vcoproc);
        return { kind: 'admitted' };
      },
      change: () => ({ kind: 'admitted' }),
      retime: () => {},
      bound: (_vcoproc, late) => (admitted.size * (timeslice + late)) as Duration,
      remove(vcoproc) {
        admitted.delete(vcoproc);
        awake.delete(vcoproc);
        leave(vcoproc);
      },
      wake(vcoproc) {
        if (awake.has(vcoproc)) return false;
        awake.add(vcoproc);
        return wake(queue, vcoproc);
      },
      sleep(vcoproc) {
        awake.delete(vcoproc);
        leave(vcoproc);
      },
      pick() {
        const [vcoproc] = queue;
        if (vcoproc === undefined) return { kind: 'idle' };
        pick(queue, vcoproc);
        return { kind: 'run', vcoproc, slice: timeslice };
      },
      settle({ vcoproc, outcome }) {
        if (outcome !== 'ran') undo(queue, vcoproc);
        else if (awake.has(vcoproc) && !queue.includes(vcoproc)) queue.push(vcoproc);
      },
    };
    return scheduler;
  };

const toTheEnd = (queue: VcoprocId[], vcoproc: VcoprocId): void => {
  const at = queue.indexOf(vcoproc);
  if (at >= 0) queue.push(...queue.splice(at, 1));
};

/** Puts another coprocessor's name in where one begins with what was asked for. */
class PrefixHypervisor extends Hypervisor {
  override createDomain(...[description, program, files]: Parameters<Hypervisor['createDomain']>) {
    const known = ['gpu0', 'dsp1'] as string[] as CoprocId[];
    const coprocs = description.coprocs.map((asked) => ({
      ...asked,
      coproc: known.find((name) => name.startsWith(asked.coproc)) ?? asked.coproc,
    }));
    return super.createDomain({ ...description, coprocs }, program, files);
  }
}

/** Timers that are set for a stop deadline never come. */
const withoutStopDeadline = (runtime: Runtime): Runtime => ({
  kind: runtime.kind,
  random: runtime.random,
  memory: runtime.memory,
  metered: runtime.metered,
  lead: runtime.lead,
  timeline: {
    now: () => runtime.timeline.now(),
    at(deadline: Instant, what: () => void) {
      const length = between(runtime.timeline.now(), deadline);
      return length === STOP_DEADLINE ? () => {} : runtime.timeline.at(deadline, what);
    },
  },
  startCoprocessor: (spec, platform, listener) => runtime.startCoprocessor(spec, platform, listener),
  drive: (finished) => runtime.drive(finished),
  close: () => runtime.close(),
});

/** Of the small system. */
const STOP_DEADLINE = ms(4);

/** The twelve defects of the framework that came before. */
export const defects: Readonly<Record<string, Defect>> = {
  'wake dropped while asked to sleep': {
    what: 'a wake that comes while a vcoproc is asked to sleep is forgotten',
    build: () =>
      patch(SharedCoproc.prototype, 'unpause', function (original, vcoproc) {
        if (vcoproc.state === 'askedToSleep') return;
        original.call(this, vcoproc);
      }),
  },
  'waker goes first': {
    what: 'who wakes goes to the head of the queue and preempts: who wakes often has the coprocessor',
    build: () =>
      scheduledBy(
        queued({
          wake(queue, vcoproc) {
            queue.unshift(vcoproc);
            return true;
          },
          pick: () => {},
          undo: () => {},
        }),
      ),
  },
  'no deadline to stop': {
    what: 'a context that never agrees to leave is never made to',
    build: () => ({
      hypervisor: (parts) => new Hypervisor({ ...parts, runtime: withoutStopDeadline(parts.runtime) }),
    }),
  },
  '"try again" becomes success': {
    what: 'a device that asked for time to stop is handed on, half stopped',
    build: () =>
      patch(WorldSwitch.prototype, 'onDenied', function (_original, sequence) {
        const none = 0 as Duration;
        const times = { cost: none, drained: none };
        this.onSwitched(sequence, { saved: 0, loaded: 0, leftWithWork: true, ...times, arrived: true });
      }),
  },
  'a failed switch panics': {
    what: 'a context that cannot be loaded takes the host down',
    build: () =>
      patch(WorldSwitch.prototype, 'onLoadFailed', () => {
        throw new InvariantError('panic: the switch failed');
      }),
  },
  'unknown register crashes': {
    what: 'a write to an unknown register while another domain has the coprocessor is not survived',
    build: () =>
      patch(RegisterWindow.prototype, 'write', function (original, offset, value) {
        const refused = this.refused;
        original.call(this, offset, value);
        if (this.refused > refused && !this.mapped) throw new InvariantError('no such register');
      }),
  },
  'a read gives rubbish': {
    what: 'a register that is read while another domain has the coprocessor has whatever value',
    build: () =>
      patch(RegisterWindow.prototype, 'read', function (original, offset) {
        return this.mapped ? original.call(this, offset) : 0x5eed_f00d;
      }),
  },
  'an interrupt of a waiting vcoproc is lost': {
    what: 'an interrupt for a vcoproc that waits is logged and gone',
    build: () =>
      patch(Vcoproc.prototype, 'interrupt', function (original, line, count) {
        if (this.state !== 'waiting') original.call(this, line, count);
      }),
  },
  'an interrupt goes to everybody': {
    what: 'an interrupt is injected into every domain that shares the coprocessor',
    build: () => {
      const everybody = new Map<unknown, Set<Vcoproc>>();
      return patch(Vcoproc.prototype, 'interrupt', function (original, line, count) {
        const { host } = this.settings;
        const all = everybody.get(host) ?? new Set();
        everybody.set(host, all.add(this));
        for (const vcoproc of all) original.call(vcoproc, line, count);
      });
    },
  },
  'names match by prefix': {
    what: 'an empty name, or the beginning of one, selects the first coprocessor that begins like it',
    build: () => ({ hypervisor: (parts) => new PrefixHypervisor(parts) }),
  },
  'the ring is rewound under the device': {
    what: 'the guest side rewinds an empty command ring while the device may be looking at it',
    build: () =>
      patch(CommandQueue.prototype, 'drain', function (original) {
        const before = this.outstanding;
        original.call(this);
        if (before > 0 && this.outstanding === 0) new Int32Array(this.memory.commands).fill(0, 0, 1);
      }),
  },
  'dequeued before the switch is certain': {
    what: 'the chosen vcoproc leaves the queue when it is picked, and is put back when the switch is denied',
    build: () =>
      scheduledBy(
        queued({
          wake(queue, vcoproc) {
            queue.push(vcoproc);
            return false;
          },
          pick: (queue) => void queue.shift(),
          undo: (queue, vcoproc) => void queue.unshift(vcoproc),
        }),
      ),
  },
  'memory is freed under a scheduled vcoproc': {
    what: 'a domain that ends is taken apart while its vcoproc is still scheduled',
    build: () => patch(SharedCoproc.prototype, 'detach', () => Promise.resolve()),
  },
};

export const sound = queued({
  wake(queue, vcoproc) {
    queue.push(vcoproc);
    return false;
  },
  pick: toTheEnd,
  undo: () => {},
});
