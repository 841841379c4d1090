import type { CoprocReport, VcoprocReport } from '../contract/report.ts';
import type { CoprocState } from '../contract/states.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Duration, Instant } from '../base/units.ts';

/** What a coprocessor is doing at this moment. */
export interface CoprocNow {
  readonly state: CoprocState;
  /** Whose context it holds or is moving. */
  readonly owner: VcoprocId | null;
  /** What is left of the owner's slice; null when no slice is running. */
  readonly sliceLeft: Duration | null;
}

export interface LiveCoproc extends CoprocNow {
  readonly figures: CoprocReport;
  /** World switches per second since the snapshot before, or since the run began. */
  readonly switchesPerSecond: number;
}

/** A run at one moment: its figures so far, and who has what. */
export interface LiveSnapshot {
  readonly at: Instant;
  readonly coprocs: readonly LiveCoproc[];
  readonly vcoprocs: readonly VcoprocReport[];
}

/** Builds a snapshot from the figures of a report so far; rates come from the snapshot before. */
export function liveSnapshot(
  at: Instant,
  figures: { readonly coprocs: readonly CoprocReport[]; readonly vcoprocs: readonly VcoprocReport[] },
  now: (coproc: CoprocReport) => CoprocNow,
  before?: LiveSnapshot,
): LiveSnapshot {
  const seconds = (at - (before?.at ?? 0)) / 1e9;
  const coprocs = figures.coprocs.map((coproc) => {
    const earlier = before?.coprocs.find(({ figures: { id } }) => id === coproc.id)?.figures.switches ?? 0;
    const { state, owner, sliceLeft } = now(coproc);
    const switchesPerSecond = seconds > 0 ? (coproc.switches - earlier) / seconds : 0;
    return { figures: coproc, state, owner, sliceLeft, switchesPerSecond };
  });
  return { at, coprocs, vcoprocs: figures.vcoprocs };
}
