import { expect } from 'vitest';
import type { GuestDomain } from '../../src/contract/guest.ts';
import { BUSY, firmwareText, forEver } from './support.ts';
import type { Attack } from './witness.ts';

const FOR_EVER = '(loop $for_ever (br $for_ever)) (i32.const 1)';

/** Asks the firmware to do what it is made for; it must not come to a good end. */
const fails = async (domain: GuestDomain): Promise<void> => {
  expect((await domain.coproc('gpu0').submit({ op: 1 })).status).toBe('failed');
};

/** Asks again and again: whatever the firmware does to itself, the next command is served. */
const worksOn = async (domain: GuestDomain): Promise<void> => {
  for (let n = 0; n < 5; n++) expect((await domain.coproc('gpu0').submit({ op: 1 })).status).toBe('ok');
};

/** Looks into what whoever was there before left behind: the firmware counts what is not zero. */
const findsNothing = async (domain: GuestDomain): Promise<void> => {
  for (let n = 0; n < 10; n++) {
    const { status, results } = await domain.coproc('gpu0').submit({ op: 1 });
    expect([status, results[0]]).toEqual(['ok', 0]);
  }
};

/** One loop over `$n` from `from` by 4 to `to`, which adds up `what` where the first result stands. */
const sumOver = (from: number, to: number, what: string): string => `(local $n i32)
  (i32.store (i32.const 1088) (i32.const 0))
  (local.set $n (i32.const ${from}))
  (loop $on
    (i32.store (i32.const 1088) (i32.or (i32.load (i32.const 1088)) ${what}))
    (local.set $n (i32.add (local.get $n) (i32.const 4)))
    (br_if $on (i32.lt_u (local.get $n) (i32.const ${to}))))
  (i32.const 1)`;

/** One loop that does `what` with `$n` from 0, so many times. */
const times = (count: number, what: string): string => `(local $n i32)
  (loop $on
    ${what}
    (br_if $on (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${count}))))
  (i32.const 1)`;

const attack = (parts: Parameters<typeof firmwareText>[0], ends: Attack['ends'], main = fails): Attack => ({
  firmware: firmwareText(parts),
  ends,
  main,
});

/** What firmware can try, each by its name in docs/hostile.md. */
export const FIRMWARE_ATTACKS: Readonly<Record<string, Attack>> = {
  // To keep the coprocessor.
  'start never returns': attack({ start: FOR_EVER }, 'isolated'),
  'step never returns': attack({ step: FOR_EVER }, 'isolated'),
  'quiesce never returns': attack({ step: BUSY, quiesce: FOR_EVER }, 'isolated'),
  'denies for ever': attack({ step: BUSY, quiesce: '(i32.const 5000)' }, 'isolated'),
  'denies for an age': attack({ step: BUSY, quiesce: '(i32.const 0x7fffffff)' }, 'isolated'),
  'command without an end': attack({ step: BUSY }, 'isolated'),
  'interrupts for ever': attack({ step: forEver('(call $irq (i32.const 2))') }, 'isolated'),
  'DMA for ever': attack(
    { step: forEver('(drop (call $dma_in (i32.const 2048) (i32.const 0) (i32.const 64)))') },
    'isolated',
  ),
  // To crash it.
  trap: attack({ step: '(unreachable)' }, 'isolated'),
  'trap at the start': attack({ start: '(unreachable)' }, 'isolated'),
  'trap when asked to leave': attack({ step: BUSY, quiesce: '(unreachable)' }, 'isolated'),
  'division by zero': attack({ step: '(i32.div_s (i32.const 1) (i32.const 0))' }, 'isolated'),
  'recursion without an end': attack(
    {
      rest: '(func $deep (param i32) (result i32) (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (local.get 0)))',
      step: '(call $deep (i32.const 0))',
    },
    'isolated',
  ),
  'call of a wrong type': attack(
    {
      rest: '(table funcref (elem $arg)) (type $t (func (result i32)))',
      step: '(call_indirect (type $t) (i32.const 0))',
    },
    'isolated',
  ),
  'no firmware at all': { firmware: '(module)', ends: 'refused', main: fails },
  'import of the host': {
    firmware: firmwareText({}).replace(
      '(module',
      '(module (import "node" "process_exit" (func $exit (param i32)))',
    ),
    ends: 'refused',
    main: fails,
  },
  // To take what others need.
  'memory of 4 GiB': {
    firmware: firmwareText({}).replace('(memory 1)', '(memory 65536)'),
    ends: 'refused',
    main: fails,
  },
  'memory that grows': attack(
    { step: '(i32.store (i32.const 1088) (memory.grow (i32.const 60000))) (i32.const 1)' },
    'harmless',
    async (domain) => {
      const { status, results } = await domain.coproc('gpu0').submit({ op: 1 });
      expect([status, results[0]]).toEqual(['ok', -1]);
    },
  ),
  'storm of interrupts': attack({ step: times(3000, '(call $irq (i32.const 2))') }, 'harmless', worksOn),
  'storm of refused DMA': attack(
    {
      step: times(
        3000,
        '(drop (call $dma_in (i32.const 4096) (i32.mul (local.get $n) (i32.const 4096)) (i32.const 8)))',
      ),
    },
    'failed',
  ),
  // To read or write what is not its own.
  'read outside of local memory': attack({ step: '(i32.load (i32.const 0xfffffff0))' }, 'isolated'),
  'write outside of local memory': attack(
    { step: '(i32.store (i32.const 0x7fffffff) (i32.const 1)) (i32.const 1)' },
    'isolated',
  ),
  'fill over the end': attack(
    { step: '(memory.fill (i32.const 65535) (i32.const 1) (i32.const 2)) (i32.const 1)' },
    'isolated',
  ),
  'DMA into what is no local memory': attack(
    { step: '(call $dma_in (i32.const 65504) (i32.const 0) (i32.const 64))' },
    'isolated',
  ),
  'DMA read of what is not mapped': attack(
    {
      step: '(drop (call $dma_in (i32.const 4096) (i32.const 0x80000000) (i32.const 64))) (i32.const 1)',
    },
    'failed',
  ),
  'DMA write of what is not mapped': attack(
    { step: '(drop (call $dma_out (i32.const 0) (i32.const 4096) (i32.const 64))) (i32.const 1)' },
    'failed',
  ),
  'DMA around the end of addresses': attack(
    {
      step: '(drop (call $dma_out (i32.const 0xfffffff0) (i32.const 4096) (i32.const 32))) (i32.const 1)',
    },
    'failed',
  ),
  'interrupt of the platform': attack({ step: '(call $irq (i32.const 1)) (i32.const 1)' }, 'isolated'),
  'interrupt that is not there': attack({ step: '(call $irq (i32.const 32)) (i32.const 1)' }, 'isolated'),
  'rubbish in every register': attack(
    {
      step: times(
        4096,
        '(call $reg_set (i32.sub (i32.mul (local.get $n) (i32.const 4)) (i32.const 16)) (i32.const -1))',
      ),
    },
    'harmless',
    worksOn,
  ),
  'rubbish in its own command block': attack(
    { step: '(memory.fill (i32.const 0) (i32.const 0xff) (i32.const 65536)) (i32.const 1)' },
    'harmless',
    worksOn,
  ),
  'search of local memory': attack(
    { step: sumOver(4096, 65536, '(i32.load (local.get $n))') },
    'harmless',
    findsNothing,
  ),
  'search of the registers': attack(
    { step: sumOver(0x40, 0x50, '(call $reg_get (local.get $n))') },
    'harmless',
    findsNothing,
  ),
};
