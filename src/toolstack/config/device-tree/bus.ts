import { refuse } from '../problem.ts';
import {
  cellPosition,
  cells,
  string,
  valuePosition,
  type DeviceNode,
  type DeviceProperty,
  type DeviceTree,
} from './tree.ts';

/** A range of addresses. Sizes and addresses are exact up to 2^53. */
interface Region {
  readonly base: number;
  readonly size: number;
}

/** One entry of a list such as `iommus`: a node by phandle, and the cells that are its own to read. */
interface Specifier {
  readonly node: DeviceNode;
  readonly args: readonly number[];
}

/**
 * The node's `reg`, as the processors see it: translated by the `ranges` of every bus on the way to
 * the root. Throws a `ConfigurationError` when it is not whole entries or not translated by a bus.
 */
export function regions(node: DeviceNode): Region[] {
  const property = node.properties.get('reg');
  if (property === undefined || node.parent === undefined) return [];
  const { address, size } = cellCounts(node.parent);
  return entries(property, [address, size]).map(([base, length], index) => {
    const at = cellPosition(property, index * (address + size));
    if (length! === 0n) refuse(at, `reg of ${node.name} has the size 0`, 'expected a size in bytes');
    const translated = translate(node, { base: base!, size: length! });
    if (translated.base + translated.size > BigInt(Number.MAX_SAFE_INTEGER)) {
      refuse(at, `reg of ${node.name} lies beyond every address`, 'expected addresses below 2^53');
    }
    return { base: Number(translated.base), size: Number(translated.size) };
  });
}

interface WideRegion {
  readonly base: bigint;
  readonly size: bigint;
}

function translate(node: DeviceNode, region: WideRegion): WideRegion {
  let found = region;
  for (let bus = node.parent; bus?.parent !== undefined; bus = bus.parent) {
    const ranges = bus.properties.get('ranges');
    if (ranges === undefined) {
      refuse(
        bus.position,
        `bus ${bus.name} has no ranges, so the processors cannot reach ${node.name}`,
        'expected "ranges;" or a list of ranges',
      );
    }
    // Without a value the bus and its parent have the same addresses.
    if (ranges.bytes.length === 0) continue;
    const here = cellCounts(bus);
    const above = cellCounts(bus.parent);
    const windows = entries(ranges, [here.address, above.address, here.size]);
    const window = windows.find(
      ([child, , size]) => child! <= found.base && found.base + found.size <= child! + size!,
    );
    if (window === undefined) {
      refuse(
        node.properties.get('reg')?.position ?? node.position,
        `reg of ${node.name} lies outside the ranges of bus ${bus.name}`,
        'expected an address inside one of them',
      );
    }
    found = { base: found.base - window[0]! + window[1]!, size: found.size };
  }
  return found;
}

/** How many cells an address and a size have in the children of `bus`; 2 and 1 unless it says. */
function cellCounts(bus: DeviceNode): { address: number; size: number } {
  return { address: count(bus, '#address-cells', 2), size: count(bus, '#size-cells', 1) };
}

function count(node: DeviceNode, name: string, otherwise: number): number {
  const property = node.properties.get(name);
  if (property === undefined) return otherwise;
  const [value, ...more] = cells(property);
  if (value === undefined || value > 4 || more.length > 0) {
    refuse(valuePosition(property), `${name} is not a count of cells`, 'expected one cell of at most 4');
  }
  return value;
}

/** Splits cells into entries of fields, each of as many cells as `widths` says. */
function entries(property: DeviceProperty, widths: readonly number[]): bigint[][] {
  const all = cells(property);
  const each = widths.reduce((total, width) => total + width, 0);
  if (all.length === 0 || each === 0 || all.length % each !== 0) {
    refuse(
      valuePosition(property),
      `${property.name} has ${all.length} cells`,
      `expected a multiple of ${each}, by #address-cells and #size-cells`,
    );
  }
  const found: bigint[][] = [];
  let at = 0;
  while (at < all.length) {
    found.push(
      widths.map((width) => {
        let value = 0n;
        for (let cell = 0; cell < width; cell++) value = (value << 32n) | BigInt(all[at++]!);
        return value;
      }),
    );
  }
  return found;
}

/** The entries of a list of phandles with arguments, whose count the target's `countName` gives. */
export function specifiers(tree: DeviceTree, property: DeviceProperty, countName: string): Specifier[] {
  const all = cells(property);
  const found: Specifier[] = [];
  for (let at = 0; at < all.length;) {
    const position = cellPosition(property, at);
    const node = tree.phandles.get(all[at]!);
    if (node === undefined) {
      refuse(position, `${property.name} refers to phandle ${all[at]}, which no node has`, 'expected &label');
    }
    if (!node.properties.has(countName)) {
      refuse(position, `${property.name} refers to ${node.path}`, `expected a node with ${countName}`);
    }
    const width = count(node, countName, 0);
    const args = all.slice(at + 1, at + 1 + width);
    if (args.length < width) {
      refuse(position, `${property.name} has ${args.length} cells after ${node.path}`, `expected ${width}`);
    }
    found.push({ node, args });
    at += 1 + width;
  }
  return found;
}

/** The numbers of the node's interrupts at its controller. */
export function interrupts(tree: DeviceTree, node: DeviceNode): number[] {
  const extended = node.properties.get('interrupts-extended');
  if (extended !== undefined) {
    return specifiers(tree, extended, '#interrupt-cells').map(({ node: parent, args }) =>
      number(parent, args),
    );
  }
  const property = node.properties.get('interrupts');
  if (property === undefined) return [];
  const parent = interruptParent(tree, node);
  if (parent === undefined) {
    refuse(
      property.position,
      `${node.name} has interrupts but no interrupt-parent`,
      'expected interrupt-parent = <&label>',
    );
  }
  const width = count(parent, '#interrupt-cells', 1);
  return entries(property, [width]).map((_, index) => {
    const args = cells(property).slice(index * width, (index + 1) * width);
    return number(parent, args);
  });
}

function interruptParent(tree: DeviceTree, node: DeviceNode): DeviceNode | undefined {
  const seen = new Set<DeviceNode>();
  let at: DeviceNode | undefined = node;
  while (at !== undefined && !seen.has(at)) {
    seen.add(at);
    const named: DeviceProperty | undefined = at.properties.get('interrupt-parent');
    const phandle: number | undefined = named === undefined ? undefined : cells(named)[0];
    at = phandle === undefined ? at.parent : tree.phandles.get(phandle);
    if (at?.properties.has('#interrupt-cells') === true) return at;
  }
  return undefined;
}

/** Of three cells, a GIC's: <kind number flags>, with shared ones (0) from 32 and private ones (1) from 16. */
function number(parent: DeviceNode, args: readonly number[]): number {
  const [first = 0, second = 0] = args;
  return args.length >= 3 && count(parent, '#interrupt-cells', 1) >= 3
    ? second + (first === 1 ? 16 : 32)
    : first;
}

/** Whether the node's `status` lets it be used; undefined when it does. */
export function whyUnusable(node: DeviceNode): string | undefined {
  const property = node.properties.get('status');
  const status = property === undefined ? 'okay' : string(property);
  return status === 'okay' || status === 'ok' ? undefined : status;
}
