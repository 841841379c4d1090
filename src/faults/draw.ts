import { ms, ns, us, type Duration } from '../base/units.ts';
import type { Oracle } from '../contract/oracle.ts';
import type { Fault, FaultKind, FaultPlan, Moment } from './plan.ts';

/** Who can be hit. */
export interface FaultSurface {
  readonly coprocs: readonly string[];
  readonly domains: readonly string[];
  readonly vcoprocs: readonly string[];
}

/** Lengths from a blink to longer than any deadline of the small scenario. */
const LENGTHS: readonly Duration[] = [ns(100), us(3), us(50), us(400), ms(2), ms(7), ms(30)];
/** Moments that are short, and that a fault at a random time would miss. */
const EVENTS = [
  undefined,
  'switch',
  'saving',
  'loading',
  'denied',
  'askedToSleep',
  'faulted',
  'submit',
  'interrupt',
] as const;

const KINDS = [
  'kill',
  'hang',
  'stall',
  'slow',
  'lose-interrupts',
  'duplicate-interrupts',
  'delay-interrupts',
  'drop-doorbells',
  'deny-switches',
  'runaway-dma',
  'flip-bit',
  'truncate',
  'crash-guest',
  'destroy-domain',
  'pause-domain',
  'late-timers',
] as const satisfies readonly FaultKind[];

/**
 * Draws a plan of at most `most` faults. Every fault has points of its own, so that one can be taken back and
 * the others stay.
 */
export function drawPlan(oracle: Oracle, surface: FaultSurface, most: number): FaultPlan {
  const faults: Fault[] = [];
  for (let number = 0; number < most; number++) {
    const kind = oracle.choose(`fault/${number}`, KINDS.length + 1);
    if (kind > 0) faults.push(drawFault(oracle, `with/${number}`, KINDS[kind - 1]!, surface));
  }
  return { faults };
}

function drawFault(
  oracle: Oracle,
  point: string,
  fault: (typeof KINDS)[number],
  surface: FaultSurface,
): Fault {
  const one = <T>(from: readonly T[]): T => from[oracle.choose(point, from.length)]!;
  const length = (): Duration => one(LENGTHS);
  const fraction = (): number => oracle.choose(point, 4096) / 4096;
  const count = (): number => 1 + oracle.choose(point, 4);
  const when = drawMoment(oracle, point);
  const coproc = (): { coproc: string; when: Moment } => ({ coproc: one(surface.coprocs), when });
  const vcoproc = (): { vcoproc: string; when: Moment } => ({ vcoproc: one(surface.vcoprocs), when });
  const domain = (): { domain: string; when: Moment } => ({ domain: one(surface.domains), when });
  switch (fault) {
    case 'kill':
    case 'hang':
      return { fault, ...coproc() };
    case 'stall':
      return { fault, ...coproc(), for: length() };
    case 'slow':
      return { fault, ...coproc(), times: one([2, 10, 100]), for: length() };
    case 'lose-interrupts':
    case 'duplicate-interrupts':
    case 'drop-doorbells':
    case 'runaway-dma':
      return { fault, ...coproc(), count: count() };
    case 'delay-interrupts':
      return { fault, ...coproc(), count: count(), by: length() };
    case 'deny-switches':
      return { fault, ...coproc(), count: count(), retry: length() };
    case 'flip-bit':
      return { fault, ...vcoproc(), bit: fraction() };
    case 'truncate':
      return { fault, ...vcoproc(), keep: fraction() };
    case 'crash-guest':
    case 'destroy-domain':
      return { fault, ...domain() };
    case 'pause-domain':
      return { fault, ...domain(), for: length() };
    case 'late-timers':
      return { fault, when, by: length(), for: length() };
    default:
      return fault satisfies never;
  }
}

function drawMoment(oracle: Oracle, point: string): Moment {
  const kind = oracle.choose(point, EVENTS.length + 1);
  if (kind === 0) return { at: us(oracle.choose(point, 4000) * 5) };
  const event = EVENTS[kind - 1];
  const nth = 1 + oracle.choose(point, event === undefined ? 200 : 12);
  const plus = [ns(0), ...LENGTHS][oracle.choose(point, 5)]!;
  return event === undefined ? { nth, plus } : { event, nth, plus };
}
