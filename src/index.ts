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
export { prepareFirmware } from './firmware/prepare.ts';
export { Hypervisor, type Figures, type Parts } from './hypervisor/hypervisor.ts';
export { platforms } from './platforms/index.ts';
export { SimulatedRuntime } from './runtime/simulated/runtime.ts';
export { ThreadsRuntime } from './runtime/threads/runtime.ts';
export { schedulers } from './schedulers/index.ts';
