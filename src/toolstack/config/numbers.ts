import { us, type Duration } from '../../base/units.ts';
import { cells, valuePosition, type DeviceNode, type DeviceProperty } from './device-tree/tree.ts';
import { refuse } from './problem.ts';

const LONGEST = us(60_000_000);

export function microseconds(node: DeviceNode | undefined, name: string, otherwise: Duration): Duration {
  const value = integer(node, name, { from: 10, to: LONGEST / 1_000 });
  return value === undefined ? otherwise : us(value);
}

/** A whole number within limits; undefined when the node does not have the property. */
export function integer(
  node: DeviceNode | undefined,
  name: string,
  limits: { readonly from: number; readonly to: number },
): number | undefined {
  const property = node?.properties.get(name);
  if (property === undefined) return undefined;
  const value = wholeNumber(property);
  if (value < limits.from || value > limits.to) {
    refuse(
      valuePosition(property),
      `${name} = ${value} is impossible`,
      `expected ${limits.from} to ${limits.to}`,
    );
  }
  return value;
}

/** One number of one cell, or of two with the high one first. */
export function wholeNumber(property: DeviceProperty): number {
  const [high = 0, low, ...more] = cells(property);
  if (property.bytes.length === 0 || more.length > 0) {
    refuse(
      valuePosition(property),
      `${property.name} is not one number`,
      `expected ${property.name} = <number>`,
    );
  }
  return low === undefined ? high : high * 2 ** 32 + low;
}
