import type { SourcePosition } from '../../../contract/system.ts';
import { refuse } from '../problem.ts';

/** A device tree after every merge, deletion and reference has been carried out. */
export interface DeviceTree {
  readonly root: DeviceNode;
  /** `/memreserve/`: memory that no one may use. */
  readonly reservations: readonly { readonly address: bigint; readonly size: bigint }[];
  readonly labels: ReadonlyMap<string, DeviceNode>;
  readonly phandles: ReadonlyMap<number, DeviceNode>;
}

export interface DeviceNode {
  /** With its unit address: `gpu@fd000000`. Empty for the root. */
  readonly name: string;
  readonly path: string;
  readonly labels: readonly string[];
  readonly parent: DeviceNode | undefined;
  readonly properties: ReadonlyMap<string, DeviceProperty>;
  readonly children: readonly DeviceNode[];
  readonly position: SourcePosition;
}

export interface DeviceProperty {
  readonly name: string;
  readonly labels: readonly string[];
  /** As it stands in the blob: cells big-endian, strings with their final zero. */
  readonly bytes: Uint8Array;
  /** The elements it was written with, in order; empty for a property without a value. */
  readonly pieces: readonly Piece[];
  readonly position: SourcePosition;
}

/** One element of a value: a cell of 8 to 64 bits, a string, a byte string or file, or a path from `&label`. */
export interface Piece {
  readonly kind: 'cell' | 'string' | 'bytes' | 'path';
  /** Where it begins in the property's bytes. */
  readonly offset: number;
  readonly size: number;
  readonly labels: readonly string[];
  readonly position: SourcePosition;
}

/** The node at an absolute path. Each name must match whole, unit address included. */
export function nodeAt(tree: DeviceTree, path: string): DeviceNode | undefined {
  if (path === '/') return tree.root;
  const [head, ...names] = path.split('/');
  if (head !== '' || names.length === 0) return undefined;
  let node: DeviceNode | undefined = tree.root;
  for (const name of names) node = node?.children.find((child) => child.name === name);
  return node;
}

export function* everyNode(node: DeviceNode): Generator<DeviceNode> {
  yield node;
  for (const child of node.children) yield* everyNode(child);
}

/** The name without its unit address: `gpu` of `gpu@fd000000`. */
export const baseName = (node: DeviceNode): string => node.name.split('@')[0]!;

/** The value as 32-bit unsigned cells. Throws a `ConfigurationError` when it is not whole cells. */
export function cells(property: DeviceProperty): number[] {
  const { bytes, name } = property;
  const whole =
    bytes.length % 4 === 0 && property.pieces.every(({ kind }) => kind === 'cell' || kind === 'bytes');
  if (!whole)
    refuse(valuePosition(property), `${name} is not a list of cells`, 'expected numbers, as in <1 2>');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4));
}

/** The value as a list of strings, at least one. Throws a `ConfigurationError` when it is something else. */
export function strings(property: DeviceProperty): string[] {
  const { bytes, name } = property;
  const text = property.pieces.every(({ kind }) => kind === 'string' || kind === 'path' || kind === 'bytes');
  if (!text || bytes.length === 0 || bytes[bytes.length - 1] !== 0) {
    refuse(valuePosition(property), `${name} is not text`, 'expected a string in double quotes');
  }
  return Buffer.from(bytes.subarray(0, -1)).toString('utf8').split('\0');
}

/** The value as exactly one string. */
export function string(property: DeviceProperty): string {
  const [text, ...more] = strings(property);
  if (more.length > 0)
    refuse(cellPosition(property, 1), `${property.name} has more than one string`, 'expected one');
  return text!;
}

/** Where the value begins: the place to point at when it is wrong as a whole. */
export function valuePosition(property: DeviceProperty): SourcePosition {
  return property.pieces[0]?.position ?? property.position;
}

/** Where the element with this number was written. */
export function cellPosition(property: DeviceProperty, index: number): SourcePosition {
  return property.pieces[index]?.position ?? valuePosition(property);
}
