import type { FaultReport } from '../contract/report.ts';
import type { FaultKind } from './plan.ts';

/** What a fault is done to, as a plan names it. */
export type Target = 'coproc' | 'vcoproc' | 'domain' | 'call' | 'everybody';

/** One kind of fault, for people. */
export interface KindOfFault {
  readonly target: Target;
  /** Settings of its own, and what they mean. */
  readonly settings: string;
  readonly what: string;
  /** How it may end, the usual way first. */
  readonly becomes: readonly FaultReport['became'][];
  /** What the user sees. */
  readonly seen: string;
}

const LOST =
  'the context in it begins anew, what that costs fails with `coprocessor reset`; it is started again, whoever was away loses nothing';
const DAMAGED =
  'the damaged context is never loaded: its vcoproc is isolated, its commands fail with the reason; nothing, when it never comes back or what is gone was zero';
const BLAMED =
  'its vcoproc is blamed, what that costs fails with the reason; it begins anew, too often at fault it is banned';
const ENDED = `the coprocessor is reset; ${BLAMED}`;
const LATE =
  'nothing until a deadline passes; then as for `deny-switches`, and as for `hang` when that is in vain';

/** All kinds of faults. Each does the same on threads and in simulation. */
export const FAULTS: Readonly<Record<FaultKind, KindOfFault>> = {
  kill: {
    target: 'coproc',
    settings: '',
    what: 'ends the thread',
    becomes: ['reported', 'recovered'],
    seen: LOST,
  },
  hang: {
    target: 'coproc',
    settings: '',
    what: 'stands still for ever between two steps',
    becomes: ['reported', 'recovered'],
    seen: ENDED,
  },
  stall: {
    target: 'coproc',
    settings: 'for',
    what: 'stands still for so long',
    becomes: ['recovered', 'reported'],
    seen: LATE,
  },
  slow: {
    target: 'coproc',
    settings: 'times, for',
    what: 'takes so many times as long, for so long',
    becomes: ['recovered', 'reported'],
    seen: LATE,
  },
  'exhaust-heap': {
    target: 'coproc',
    settings: '',
    what: 'takes memory until there is none',
    becomes: ['reported', 'recovered'],
    seen: LOST,
  },
  trap: {
    target: 'coproc',
    settings: 'domain',
    what: 'the firmware traps in its next step',
    becomes: ['reported'],
    seen: `the coprocessor goes on; ${BLAMED}`,
  },
  'hang-firmware': {
    target: 'coproc',
    settings: 'domain',
    what: 'the firmware does not return from its next step',
    becomes: ['reported'],
    seen: ENDED,
  },
  'deny-switches': {
    target: 'coproc',
    settings: 'count, retry, domain',
    what: 'refuses to switch so many times',
    becomes: ['recovered', 'reported'],
    seen: `it is asked again when it said, until the stop deadline or the retry limit; then it is taken out: ${BLAMED}`,
  },
  'lose-interrupts': {
    target: 'coproc',
    settings: 'count, domain, line',
    what: 'so many interrupts to the hypervisor are lost',
    becomes: ['recovered'],
    seen: 'nothing: the hypervisor looks by itself, which costs time; what was lost on a line stays pending until then',
  },
  'duplicate-interrupts': {
    target: 'coproc',
    settings: 'count, domain, line',
    what: 'so many come twice',
    becomes: ['recovered'],
    seen: 'nothing: an interrupt says "look", it carries nothing; a line that is named is heard of once more',
  },
  'delay-interrupts': {
    target: 'coproc',
    settings: 'count, by, domain, line',
    what: 'so many come later',
    becomes: ['recovered'],
    seen: 'nothing but the delay',
  },
  'drop-doorbells': {
    target: 'coproc',
    settings: 'count, domain, queue',
    what: 'so many doorbells of the coprocessor are not heard',
    becomes: ['recovered'],
    seen: 'nothing: it is rung again, which costs time',
  },
  'runaway-dma': {
    target: 'coproc',
    settings: 'count, domain',
    what: 'so many DMA accesses go outside of what is mapped',
    becomes: ['refused'],
    seen: 'the IOMMU refuses: the command fails with the address, the vcoproc is blamed',
  },
  'interrupt-storm': {
    target: 'coproc',
    settings: 'count, domain',
    what: 'the loaded context raises interrupt 2 so many times',
    becomes: ['recovered', 'reported'],
    seen: 'its own guest gets them; neighbours lose no more than time',
  },
  'fault-storm': {
    target: 'coproc',
    settings: 'count, domain',
    what: 'the loaded context reports so many refused DMA accesses',
    becomes: ['refused', 'reported'],
    seen: 'the vcoproc is blamed; neighbours lose no more than time',
  },
  'flip-bit': {
    target: 'vcoproc',
    settings: 'bit',
    what: 'one bit of its context image flips at rest',
    becomes: ['refused', 'recovered'],
    seen: DAMAGED,
  },
  truncate: {
    target: 'vcoproc',
    settings: 'keep',
    what: 'the rest of its context image is gone',
    becomes: ['refused', 'recovered'],
    seen: DAMAGED,
  },
  'corrupt-ring': {
    target: 'vcoproc',
    settings: 'queue',
    what: 'the index of a command ring is rubbish: of the default queue, or of the one named',
    becomes: ['refused', 'recovered'],
    seen: 'the queue fails all its commands for ever, its vcoproc is blamed and goes on with its other queues; nothing, when the guest writes the index before anybody reads it',
  },
  'crash-guest': {
    target: 'domain',
    settings: '',
    what: 'its guest throws',
    becomes: ['reported'],
    seen: 'the domain crashes with the reason; its coprocessors let go of it',
  },
  'destroy-domain': {
    target: 'domain',
    settings: '',
    what: 'it is destroyed',
    becomes: ['reported'],
    seen: 'its commands are cancelled, what it held is given back',
  },
  'pause-domain': {
    target: 'domain',
    settings: 'for',
    what: 'it is paused for so long',
    becomes: ['recovered'],
    seen: 'its commands and interrupts wait',
  },
  'late-timers': {
    target: 'everybody',
    settings: 'by, for',
    what: 'timers that are due meanwhile are late',
    becomes: ['recovered'],
    seen: 'nothing: a late deadline is a late deadline',
  },
  fail: {
    target: 'call',
    settings: 'coproc',
    what: 'the call or step at its point fails',
    becomes: ['refused', 'recovered', 'reported'],
    seen: 'who asked is told and nothing is kept: the same again works; a coprocessor that cannot be started, or fails in a switch, is started again',
  },
};
