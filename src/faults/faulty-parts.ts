import { failed, type Outcome } from '../base/outcome.ts';
import { after, type Instant } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import { coprocOf } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type {
  CoprocessorPort,
  CoprocessorSpec,
  MemorySource,
  PortListener,
  Runtime,
} from '../contract/port.ts';
import type { Ailments } from '../coprocessor/ailments.ts';
import type { Parts } from '../hypervisor/parts.ts';
import { FAILED, faultySchedulers } from './faulty-scheduler.ts';
import type { Impairments } from './impairments.ts';
import type { CallPoint } from './plan.ts';

/** What an injector has of one coprocessor. */
export interface FaultyUnit {
  readonly memory: SharedArrayBuffer;
  readonly ailments: Ailments;
  /** The one that lives now. */
  port: CoprocessorPort | undefined;
}

/** What the wrappers ask of their injector. */
export interface FaultHooks {
  readonly impairments: Impairments;
  unit(coproc: string): FaultyUnit;
  /** A call is made. Says whether it is to fail. */
  reached(point: CallPoint, coproc: string | undefined): boolean;
  /** When a timer is really due. */
  late(deadline: Instant): Instant;
  onEvent(event: TraceEvent): void;
}

/** All that a hypervisor is made of, with its faults. */
export const faultyParts = (parts: Parts, hooks: FaultHooks): Parts => ({
  ...parts,
  runtime: faultyRuntime(parts.runtime, hooks),
  firmware: (name) => (hooks.reached('firmware', undefined) ? failed(FAILED) : parts.firmware(name)),
  schedulers: faultySchedulers(parts.schedulers, (vcoproc) => hooks.reached('admit', coprocOf(vcoproc))),
  trace: (event) => {
    parts.trace(event);
    hooks.onEvent(event);
  },
});

export function faultyRuntime(runtime: Runtime, hooks: FaultHooks): Runtime {
  const { timeline } = runtime;
  return {
    kind: runtime.kind,
    random: runtime.random,
    memory: faultyMemory(runtime.memory, hooks),
    metered: runtime.metered,
    lead: runtime.lead,
    timeline: { now: () => timeline.now(), at: (deadline, what) => timeline.at(hooks.late(deadline), what) },
    startCoprocessor: (spec, platform, listener) => start(runtime, hooks, spec, platform, listener),
    drive: (finished) => runtime.drive(finished),
    close: () => runtime.close(),
  };
}

/** Memory that runs out when the plan says so, as the engine says it. */
function faultyMemory(memory: MemorySource, hooks: FaultHooks): MemorySource {
  const reach = (): void => {
    if (hooks.reached('allocate', undefined)) throw new RangeError(FAILED);
  };
  return {
    shared: (bytes) => {
      reach();
      return memory.shared(bytes);
    },
    local: (pages) => {
      reach();
      return memory.local(pages);
    },
  };
}

function start(
  runtime: Runtime,
  hooks: FaultHooks,
  spec: CoprocessorSpec,
  platform: Platform,
  listener: PortListener,
): CoprocessorPort {
  const { id } = spec;
  if (hooks.reached('start', id)) return stillborn(runtime, listener);
  const unit = hooks.unit(id);
  const ailing = { ...spec, ailments: unit.memory };
  const port = runtime.startCoprocessor(ailing, platform, faultyListener(id, listener, runtime, hooks));
  unit.port = port;
  return {
    ring: () => {
      if (hooks.impairments.take(id, 'drop-doorbells') === undefined) port.ring();
    },
    // It would make up for a bell that is lost.
    rouse: () => {},
    attach: (context) =>
      hooks.reached('attach', id) ? Promise.resolve(failed(FAILED)) : port.attach(context),
    addQueues: (slot, queues) =>
      hooks.reached('queue-create', id) ? Promise.resolve(failed(FAILED)) : port.addQueues(slot, queues),
    detach: (slot) => port.detach(slot),
    kill: (reason) => port.kill(reason),
  };
}

function faultyListener(
  coproc: string,
  listener: PortListener,
  { timeline }: Runtime,
  { impairments }: FaultHooks,
): PortListener {
  const tell = (): void => {
    if (impairments.take(coproc, 'lose-interrupts') !== undefined) return;
    const delay = impairments.take(coproc, 'delay-interrupts');
    if (delay !== undefined) {
      timeline.at(after(timeline.now(), delay), () => listener.onEvents());
      return;
    }
    listener.onEvents();
    if (impairments.take(coproc, 'duplicate-interrupts') !== undefined) listener.onEvents();
  };
  return { onEvents: tell, onExit: (reason) => listener.onExit(reason) };
}

/** A coprocessor that could not be started: it is gone as soon as anybody may hear of it. */
function stillborn({ timeline }: Runtime, listener: PortListener): CoprocessorPort {
  let gone: (answer: Outcome<void>) => void = () => {};
  const answer = new Promise<Outcome<void>>((resolve) => (gone = resolve));
  timeline.at(timeline.now(), () => {
    listener.onExit(`it could not be started: ${FAILED}`);
    gone(failed('the coprocessor is gone'));
  });
  return {
    ring: () => {},
    rouse: () => {},
    attach: () => answer,
    detach: () => answer,
    addQueues: () => answer,
    kill: () => {},
  };
}
