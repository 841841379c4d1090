import { InvariantError, present } from '../base/assert.ts';
import { START, between, us, type Duration, type Instant } from '../base/units.ts';
import { ACCESSES, type DmaFaultEvent } from '../contract/events.ts';
import { COPROC_STATES, type CoprocState } from '../contract/states.ts';
import { EVENT, NO_SLOT, readInstant, readText } from '../memory/channel.ts';

/** What a coprocessor has to say, one method for each. `slot` names the context that it is about. */
export interface CoprocEvents {
  onState(slot: number, state: CoprocState, when: Instant): void;
  /** `count` on this line at once. */
  onInterrupt(slot: number, line: number, count: number): void;
  /** The slice is over; the context goes on until it is asked to leave. */
  onExpired(slot: number, command: UnderWay | undefined): void;
  onSwitched(sequence: number, switched: Switched): void;
  onDenied(sequence: number, retryAfter: Duration): void;
  onLoadFailed(sequence: number, reason: string): void;
  /** The context is lost, and the coprocessor goes on without it. */
  onLost(slot: number, reason: string): void;
  /** An index in a queue's rings cannot be true: the coprocessor serves it no more. */
  onCorrupt(slot: number, queue: number): void;
  /** No command of an evicted queue is under way; `sequence` is of the command that evicted it. */
  onEvicted(slot: number, queue: number, sequence: number): void;
  /** `untold`: how many there were before that are not told one by one. */
  onDmaFault(slot: number, dma: DmaFaultEvent, untold: number): void;
  /** The context was taken out without being asked, or was not there. */
  onDropped(slot: number): void;
  /** The context that denied to leave is through with its command, has more, and waits. */
  onThrough(slot: number): void;
  /** No translation older than `epoch` is in use. */
  onInvalidated(slot: number, epoch: number): void;
}

/** A command that a coprocessor has begun. */
export interface UnderWay {
  readonly queue: number;
  readonly sequence: number;
}

/** How a world switch ended. */
export interface Switched {
  /** Bytes of the contexts that left and came. */
  readonly saved: number;
  readonly loaded: number;
  /** The context that left has more to do. */
  readonly leftWithWork: boolean;
  /** From being asked to leave to the next one's being there. */
  readonly cost: Duration;
  /** Of that, what passed until the context that left was quiet. */
  readonly drained: Duration;
  /** The context that should come is there. */
  readonly arrived: boolean;
}

/** Reads the event at index `at` of `words`, laid out by `src/memory/channel.ts`, and tells it. */
export function tellEvent(words: Int32Array, at: number, to: CoprocEvents): void {
  const word = (index: number): number => words[at + index]!;
  const slot = word(1);
  const when = readInstant(words, at + 2);
  switch (word(0)) {
    case EVENT.state:
      return to.onState(slot, present(COPROC_STATES[word(4)], 'a coprocessor is in a known state'), when);
    case EVENT.interrupt:
      return to.onInterrupt(slot, word(4), word(5));
    case EVENT.expired:
      return to.onExpired(slot, word(4) === 1 ? { queue: word(5), sequence: word(6) } : undefined);
    case EVENT.switched:
      return to.onSwitched(word(4), {
        saved: word(5),
        loaded: word(6),
        leftWithWork: word(7) === 1,
        cost: between(readInstant(words, at + 8), when),
        drained: between(START, readInstant(words, at + 10)),
        arrived: slot !== NO_SLOT,
      });
    case EVENT.denied:
      return to.onDenied(word(4), us(word(5)));
    case EVENT.loadFailed:
      return to.onLoadFailed(word(4), readText(words, at));
    case EVENT.trapped:
      return to.onLost(slot, `firmware trapped: ${readText(words, at)}`);
    case EVENT.corrupt:
      return to.onCorrupt(slot, word(4));
    case EVENT.evicted:
      return to.onEvicted(slot, word(4), word(5));
    case EVENT.iommuFault:
      return to.onDmaFault(
        slot,
        { access: ACCESSES[word(4)] ?? 'read', iova: word(5) >>> 0, queue: word(7) },
        word(6),
      );
    case EVENT.invalidated:
      return to.onInvalidated(slot, word(4));
    case EVENT.dropped:
      return to.onDropped(slot);
    case EVENT.through:
      return to.onThrough(slot);
    default:
      throw new InvariantError(`a coprocessor says nothing that is event ${word(0)}`);
  }
}
