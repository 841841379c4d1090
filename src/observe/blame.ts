import type { VcoprocId } from '../contract/names.ts';
import type { VcoprocReport } from '../contract/report.ts';

export interface Blame {
  readonly vcoproc: VcoprocId;
  readonly fault: string;
  readonly times: number;
}

/** Who is to blame for which fault and how often, each different fault of a vcoproc once. */
export function blame(vcoprocs: readonly VcoprocReport[]): Blame[] {
  return vcoprocs.flatMap(({ id, faults }) =>
    [...new Set(faults)].map((fault) => ({
      vcoproc: id,
      fault,
      times: faults.filter((other) => other === fault).length,
    })),
  );
}
