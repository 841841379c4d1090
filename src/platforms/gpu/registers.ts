import type { CoreRegisters, RegisterMap } from '../../contract/platform.ts';

/** Byte offsets in the register window of the tile GPU. */
export const GPU = {
  id: 0x000,
  status: 0x004,
  control: 0x008,
  interruptStatus: 0x00c,
  interruptMask: 0x010,
  fence: 0x014,
  faultAddress: 0x018,
  /** Firmware steps since the context was made: what a performance counter of tiles would count. */
  tiles: 0x01c,
  /** Sixteen words that belong to whoever has the context. */
  scratch: 0x040,
  /** Not a guest's: how the front end preempts. */
  preemption: 0x100,
} as const;

export const GPU_ID = 0x4350_0001;
export const STATUS = { busy: 1 << 0, failed: 1 << 1 } as const;
export const CONTROL = { halt: 1 << 0 } as const;
export const SCRATCH_WORDS = 16;

export const gpuRegisters: RegisterMap = [
  { name: 'ID', offset: GPU.id, access: 'read-only', firmware: false, reset: GPU_ID, away: 'refused' },
  { name: 'STATUS', offset: GPU.status, access: 'read-only', firmware: false, reset: 0, away: 'refused' },
  { name: 'CONTROL', offset: GPU.control, access: 'read-write', firmware: false, reset: 0, away: 'latched' },
  {
    name: 'IRQ_STATUS',
    offset: GPU.interruptStatus,
    access: 'write-one-clears',
    firmware: false,
    reset: 0,
    away: 'replayed',
  },
  {
    name: 'IRQ_MASK',
    offset: GPU.interruptMask,
    access: 'read-write',
    firmware: false,
    reset: 0,
    away: 'latched',
  },
  { name: 'FENCE', offset: GPU.fence, access: 'read-only', firmware: false, reset: 0, away: 'refused' },
  {
    name: 'FAULT_ADDRESS',
    offset: GPU.faultAddress,
    access: 'read-only',
    firmware: false,
    reset: 0,
    away: 'refused',
  },
  { name: 'TILES', offset: GPU.tiles, access: 'read-only', firmware: false, reset: 0, away: 'refused' },
  ...Array.from({ length: SCRATCH_WORDS }, (_, word) => ({
    name: `SCRATCH${word}`,
    offset: GPU.scratch + word * 4,
    access: 'read-write' as const,
    firmware: true,
    reset: 0,
    away: 'latched' as const,
  })),
  { name: 'PREEMPTION', offset: GPU.preemption, access: 'none', firmware: false, reset: 1, away: 'refused' },
];

export const gpuCore: CoreRegisters = {
  interruptStatus: GPU.interruptStatus,
  interruptMask: GPU.interruptMask,
  fence: GPU.fence,
  faultAddress: GPU.faultAddress,
};
