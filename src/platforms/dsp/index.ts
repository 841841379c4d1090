import type { Platform } from '../../contract/platform.ts';
import { dspDevice } from './device.ts';
import { dspCore, dspRegisters } from './registers.ts';

const dsp: Platform = {
  compatible: 'covisor,media-dsp',
  summary: 'media DSP with a mailbox: preempts between steps, when its firmware agrees',
  module: import.meta.url,
  registers: dspRegisters,
  core: dspCore,
  stepBudget: 500,
  createDevice: dspDevice,
};

export default dsp;
