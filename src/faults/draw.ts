import { ms, ns, us, type Duration } from '../base/units.ts';
import { coprocOf, domainOf } from '../contract/names.ts';
import type { Oracle } from '../contract/oracle.ts';
import { LINES } from '../memory/context-image.ts';
import { pointsOf, type Fault, type FaultKind, type FaultPlan, type Moment, type What } from './plan.ts';

// What a plan can say, this draws: every kind of fault with each of its settings, every kind of moment. It goes less far
// in three ways. Lengths end a little behind the longest deadline of the small scenario, and storms at a thousand: more
// of either costs time and shows nothing new. Calls that take memory or load firmware are nobody's in particular, so
// that a coprocessor is named for neither. Nor is a domain named that has no share of the coprocessor: that fault would
// never happen.

/** Who can be hit. */
export interface FaultSurface {
  readonly coprocs: readonly string[];
  readonly domains: readonly string[];
  readonly vcoprocs: readonly string[];
}

/** Lengths from a blink to longer than any deadline of the small scenario. */
const LENGTHS: readonly Duration[] = [ns(100), us(3), us(50), us(400), ms(2), ms(7), ms(30)];
/** Up to what the gates let through one by one, what they let through at all, and what fills a ring. */
const STORMS = [3, 70, 1000];
/** Queues that random guests have, the default one among them. */
const QUEUES = 6;
/** Moments that are short, and that a fault at a random time would miss. */
const EVENTS = [
  undefined,
  'switch',
  'saving',
  'loading',
  'denied',
  'askedToSleep',
  'faulted',
  'recovery',
  'submit',
  'complete',
  'interrupt',
] as const;
/** The kinds of moments, as often as they are drawn. */
const MOMENTS = ['at', 'event', 'event', 'event', 'point', 'point', 'within', 'probability'] as const;
/** After any event only the least: a fault that what it leads to brings about again, more than once, never ends. */
const PROBABILITIES = [0.01, 0.1, 0.3];
/** How many of a point are looked at: some come thousands of times in a run, some twice. */
const REACHES = [4, 16, 256];

const KINDS = [
  'kill',
  'hang',
  'stall',
  'slow',
  'exhaust-heap',
  'lose-interrupts',
  'duplicate-interrupts',
  'delay-interrupts',
  'drop-doorbells',
  'trap',
  'hang-firmware',
  'deny-switches',
  'runaway-dma',
  'interrupt-storm',
  'fault-storm',
  'flip-bit',
  'truncate',
  'corrupt-ring',
  'crash-guest',
  'destroy-domain',
  'pause-domain',
  'late-timers',
  'fail',
] as const satisfies readonly FaultKind[];

/**
 * Draws a plan of at most `most` faults. Every fault has points of its own, so that one can be taken back and
 * the others stay.
 */
export function drawPlan(oracle: Oracle, surface: FaultSurface, most: number): FaultPlan {
  const faults: Fault[] = [];
  for (let number = 0; number < most; number++) {
    const kind = oracle.choose(`fault/${number}`, KINDS.length + 1);
    if (kind === 0) continue;
    const draw = (options: number): number => oracle.choose(`with/${number}`, options);
    const what = drawWhat(draw, KINDS[kind - 1]!, surface);
    faults.push({ ...what, when: drawMoment(draw, what) } as Fault);
  }
  return { faults };
}

type Draw = (options: number) => number;

function drawWhat(draw: Draw, fault: (typeof KINDS)[number], surface: FaultSurface): What {
  const one = <T>(from: readonly T[]): T => from[draw(from.length)]!;
  const length = (): Duration => one(LENGTHS);
  const fraction = (): number => draw(4096) / 4096;
  const count = (): number => 1 + draw(4);
  const coproc = (): { coproc: string } => ({ coproc: one(surface.coprocs) });
  const vcoproc = (): { vcoproc: string } => ({ vcoproc: one(surface.vcoprocs) });
  const domain = (): { domain: string } => ({ domain: one(surface.domains) });
  /** A setting that need not be there, and is not when nothing is disturbed. */
  const maybe = <T extends object>(setting: () => T): Partial<T> => (draw(2) === 0 ? {} : setting());
  const queue = (): { queue: number } => ({ queue: draw(QUEUES) });
  const holder = (): { coproc: string; domain?: string } => {
    const on = coproc();
    const sharers = surface.vcoprocs.filter((vcoproc) => coprocOf(vcoproc) === on.coproc);
    return { ...on, ...(sharers.length > 0 && maybe(() => ({ domain: domainOf(one(sharers)) }))) };
  };
  const onLine = (): { coproc: string; domain?: string; line?: number } => ({
    ...holder(),
    ...maybe(() => ({ line: one([0, 2, draw(LINES)]) })),
  });
  switch (fault) {
    case 'kill':
    case 'hang':
    case 'exhaust-heap':
      return { fault, ...coproc() };
    case 'stall':
      return { fault, ...coproc(), for: length() };
    case 'slow':
      return { fault, ...coproc(), times: one([2, 10, 100]), for: length() };
    case 'lose-interrupts':
    case 'duplicate-interrupts':
      return { fault, ...onLine(), count: count() };
    case 'delay-interrupts':
      return { fault, ...onLine(), count: count(), by: length() };
    case 'drop-doorbells': {
      const on = holder();
      // A queue is a domain's.
      return { fault, ...on, ...(on.domain !== undefined && maybe(queue)), count: count() };
    }
    case 'trap':
    case 'hang-firmware':
      return { fault, ...holder() };
    case 'deny-switches':
      return { fault, ...holder(), count: count(), retry: length() };
    case 'runaway-dma':
      return { fault, ...holder(), count: count() };
    case 'interrupt-storm':
    case 'fault-storm':
      return { fault, ...holder(), count: one(STORMS) };
    case 'flip-bit':
      return { fault, ...vcoproc(), bit: fraction() };
    case 'truncate':
      return { fault, ...vcoproc(), keep: fraction() };
    case 'corrupt-ring':
      return { fault, ...vcoproc(), ...maybe(queue) };
    case 'crash-guest':
    case 'destroy-domain':
      return { fault, ...domain() };
    case 'pause-domain':
      return { fault, ...domain(), for: length() };
    case 'late-timers':
      return { fault, by: length(), for: length() };
    case 'fail':
      return { fault, ...maybe(coproc) };
    default:
      return fault satisfies never;
  }
}

function drawMoment(draw: Draw, what: What): Moment {
  const one = <T>(from: readonly T[]): T => from[draw(from.length)]!;
  const kind = what.fault === 'fail' ? 'point' : one(MOMENTS);
  if (kind === 'at') return { at: us(draw(4000) * 5) };
  if (kind === 'within') return { within: us((1 + draw(400)) * 50) };
  if (kind === 'point') {
    const shared = what.fault === 'fail' && what.coproc !== undefined;
    const points = pointsOf(what).filter(
      (point) => !shared || (point !== 'allocate' && point !== 'firmware'),
    );
    return { point: one(points), nth: 1 + draw(one(REACHES)) };
  }
  const event = one(EVENTS);
  const named = event === undefined ? {} : { event };
  const plus = [ns(0), ...LENGTHS][draw(5)]!;
  if (kind === 'probability') {
    const probability = event === undefined ? PROBABILITIES[0]! : one(PROBABILITIES);
    return { ...named, probability, plus };
  }
  return { ...named, nth: 1 + draw(event === undefined ? 200 : 12), plus };
}
