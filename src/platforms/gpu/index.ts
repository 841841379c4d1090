import type { Platform } from '../../contract/platform.ts';
import { gpuDevice } from './device.ts';
import { gpuCore, gpuRegisters } from './registers.ts';

const gpu: Platform = {
  compatible: 'covisor,tile-gpu',
  summary: 'tile-based GPU: preempts at tile boundaries after draining its pipeline',
  module: import.meta.url,
  registers: gpuRegisters,
  core: gpuCore,
  stepBudget: 500,
  createDevice: gpuDevice,
};

export default gpu;
