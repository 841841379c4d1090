import type { CoreRegisters, RegisterMap } from '../../contract/platform.ts';

/** Byte offsets in the register window of the media DSP. */
export const DSP = {
  version: 0x000,
  /** Reset-and-run control: a guest may hold its program counter. */
  run: 0x004,
  state: 0x008,
  /** Host to DSP: a write raises the flag that the firmware reads. */
  mailboxIn: 0x010,
  /** Set when `mailboxIn` was written, cleared by the firmware. */
  mailboxFull: 0x014,
  /** DSP to host: the firmware's to write. */
  mailboxOut: 0x018,
  interruptStatus: 0x020,
  interruptMask: 0x024,
  fence: 0x028,
  faultAddress: 0x02c,
  /** Eight words between guest and firmware. */
  shared: 0x080,
} as const;

export const DSP_VERSION = 0x4453_0001;
export const RUN = { hold: 1 << 0 } as const;
export const STATE = { busy: 1 << 0, error: 1 << 1 } as const;
export const SHARED_WORDS = 8;

export const dspRegisters: RegisterMap = [
  {
    name: 'VERSION',
    offset: DSP.version,
    access: 'read-only',
    firmware: false,
    reset: DSP_VERSION,
    away: 'refused',
  },
  { name: 'RUN', offset: DSP.run, access: 'read-write', firmware: false, reset: 0, away: 'latched' },
  { name: 'STATE', offset: DSP.state, access: 'read-only', firmware: false, reset: 0, away: 'refused' },
  {
    name: 'MAILBOX_IN',
    offset: DSP.mailboxIn,
    access: 'trigger',
    firmware: false,
    reset: 0,
    away: 'replayed',
  },
  {
    name: 'MAILBOX_FULL',
    offset: DSP.mailboxFull,
    access: 'read-only',
    firmware: true,
    reset: 0,
    away: 'refused',
  },
  {
    name: 'MAILBOX_OUT',
    offset: DSP.mailboxOut,
    access: 'read-only',
    firmware: true,
    reset: 0,
    away: 'refused',
  },
  {
    name: 'IRQ_STATUS',
    offset: DSP.interruptStatus,
    access: 'write-one-clears',
    firmware: false,
    reset: 0,
    away: 'replayed',
  },
  {
    name: 'IRQ_MASK',
    offset: DSP.interruptMask,
    access: 'read-write',
    firmware: false,
    reset: 0,
    away: 'latched',
  },
  { name: 'FENCE', offset: DSP.fence, access: 'read-only', firmware: false, reset: 0, away: 'refused' },
  {
    name: 'FAULT_ADDRESS',
    offset: DSP.faultAddress,
    access: 'read-only',
    firmware: false,
    reset: 0,
    away: 'refused',
  },
  ...Array.from({ length: SHARED_WORDS }, (_, word) => ({
    name: `SHARED${word}`,
    offset: DSP.shared + word * 4,
    access: 'read-write' as const,
    firmware: true,
    reset: 0,
    away: 'latched' as const,
  })),
];

export const dspCore: CoreRegisters = {
  interruptStatus: DSP.interruptStatus,
  interruptMask: DSP.interruptMask,
  fence: DSP.fence,
  faultAddress: DSP.faultAddress,
};
