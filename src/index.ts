// The package's public face: what a guest, a platform, a scheduler or a tool is written against.

export * from './base/units.ts';
export type { Outcome } from './base/outcome.ts';
export type { Random } from './base/random.ts';
export type * from './contract/events.ts';
export type * from './contract/firmware.ts';
export * from './contract/guest.ts';
export * from './contract/names.ts';
export * from './contract/platform.ts';
export type * from './contract/port.ts';
export type * from './contract/report.ts';
export type * from './contract/scheduler.ts';
export * from './contract/states.ts';
export type * from './contract/system.ts';
export { Injector, type FaultTargets, type InjectorOptions } from './faults/injector.ts';
export { NO_FAULTS, readPlan, type Fault, type FaultPlan } from './faults/plan.ts';
export { targetsOf } from './faults/targets.ts';
export { prepareFirmware } from './firmware/prepare.ts';
export { Hypervisor, type Figures } from './hypervisor/hypervisor.ts';
export type { Parts } from './hypervisor/parts.ts';
export { default as dsp } from './platforms/dsp/index.ts';
export { default as gpu } from './platforms/gpu/index.ts';
export { platforms } from './platforms/index.ts';
export { SimulatedRuntime } from './runtime/simulated/runtime.ts';
export { ThreadsRuntime } from './runtime/threads/runtime.ts';
export { arinc653 } from './schedulers/arinc653.ts';
export { bestEffort } from './schedulers/best-effort.ts';
export { credit } from './schedulers/credit.ts';
export { dedicated } from './schedulers/dedicated.ts';
export { edf } from './schedulers/edf.ts';
export { equalShare } from './schedulers/equal-share.ts';
export { fair } from './schedulers/fair.ts';
export { fixedShare } from './schedulers/fixed-share.ts';
export { schedulers } from './schedulers/index.ts';
export { priority } from './schedulers/priority.ts';
export { roundRobin } from './schedulers/round-robin.ts';
export {
  Connection,
  ControlError,
  NotRunningError,
  connect,
  type Followed,
} from './toolstack/control/client.ts';
export type { CheckpointTaken, SystemInfo, SystemState } from './toolstack/control/protocol.ts';
export { createHypervisor, type Build } from './toolstack/create-hypervisor.ts';
