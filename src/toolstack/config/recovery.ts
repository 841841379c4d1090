import { expectedOneOf } from '../../base/nearest.ts';
import { us } from '../../base/units.ts';
import { FAULT_POLICIES, RECOVERY, type FaultPolicy, type Recovery } from '../../contract/recovery.ts';
import type { SourcePosition } from '../../contract/system.ts';
import { string, valuePosition, type DeviceNode } from './device-tree/tree.ts';
import { integer, microseconds } from './numbers.ts';
import { quote, refuse } from './problem.ts';

/** What a child of /chosen/coprocessors may say of what happens when something goes wrong. */
export const RECOVERY_PROPERTIES = [
  'on-fault',
  'ban-faults',
  'ban-window-us',
  'restarts',
  'restart-window-us',
] as const;

const MOST = 1_000_000;

/** Reads what an entry says of it; what it does not say is as in RECOVERY. */
export function recoveryOf(entry: DeviceNode | undefined): Recovery {
  const onFault = entry?.properties.get('on-fault');
  const { faults, restarts } = RECOVERY;
  return {
    onFault: onFault === undefined ? RECOVERY.onFault : policy(string(onFault), valuePosition(onFault)),
    faults: {
      most: integer(entry, 'ban-faults', { from: 1, to: MOST }) ?? faults.most,
      within: microseconds(entry, 'ban-window-us', faults.within),
    },
    restarts: {
      most: integer(entry, 'restarts', { from: 0, to: MOST }) ?? restarts.most,
      within: microseconds(entry, 'restart-window-us', restarts.within),
    },
  };
}

export function policy(name: string, at: SourcePosition): FaultPolicy {
  const known = FAULT_POLICIES.find((one) => one === name);
  return known ?? refuse(at, `unknown policy ${quote(name)}`, expectedOneOf(name, FAULT_POLICIES));
}

/** The deadlines that most systems leave as they are. */
export function deadlinesOf(entry: DeviceNode | undefined): {
  resetDeadline?: Recovery['faults']['within'];
  heartbeat?: Recovery['faults']['within'];
} {
  const given = (name: string) => {
    const value = entry?.properties.has(name) === true ? microseconds(entry, name, us(0)) : undefined;
    return value;
  };
  const resetDeadline = given('reset-deadline-us');
  const heartbeat = given('heartbeat-us');
  return {
    ...(resetDeadline === undefined ? {} : { resetDeadline }),
    ...(heartbeat === undefined ? {} : { heartbeat }),
  };
}
