import { expectedLike, ProblemList, quote } from '../problem.ts';
import {
  descendants,
  findDraft,
  livingProperties,
  pathOf,
  removeDraft,
  type DraftNode,
  type DraftPiece,
  type DraftProperty,
  type DraftTree,
  type Reference,
} from './draft.ts';
import { bigEndian } from './parse.ts';
import type { DeviceNode, DeviceProperty, DeviceTree, Piece } from './tree.ts';

const PHANDLES = ['phandle', 'linux,phandle'];
const NO_PHANDLE = 0xffffffff;

/**
 * Carries out the references, in the order of dtc's own passes, so that phandles get the numbers that
 * dtc gives: explicit ones first, then one for each node that a cell refers to, then paths, then
 * `/omit-if-no-ref/`. Throws a `ConfigurationError` with every reference that leads nowhere.
 */
export function resolveDraft(draft: DraftTree): DeviceTree {
  const problems = new ProblemList();
  dropNameProperties(draft, problems);
  const phandles = new Map<number, DraftNode>();
  const numbers = new Map<DraftNode, number>();
  for (const node of descendants(draft.root)) explicitPhandle(node, draft, phandles, numbers, problems);
  problems.finish();

  const used = new Set<DraftNode>();
  let next = 1;
  const phandleOf = (node: DraftNode): number => {
    const known = numbers.get(node);
    if (known !== undefined) return known;
    while (phandles.has(next)) next++;
    phandles.set(next, node);
    numbers.set(node, next);
    return next;
  };
  const target = (reference: Reference): DraftNode | undefined => {
    const node = findDraft(draft, reference.text);
    if (node === undefined && !problems.full) {
      problems.add(
        reference.position,
        `reference ${quote(reference.text)} leads nowhere`,
        expectedLike('a label or path of this tree', reference.text, draft.labels.keys()),
      );
    }
    if (node !== undefined) used.add(node);
    return node;
  };
  const fill = (kind: 'cell' | 'path', bytesOf: (node: DraftNode) => Uint8Array): void => {
    for (const node of descendants(draft.root)) {
      for (const property of livingProperties(node)) replacePieces(node, property, kind, target, bytesOf);
    }
  };
  fill('cell', (node) => bigEndian(BigInt(phandleOf(node)), 32));
  for (const [node, number] of numbers) addPhandle(node, number);
  fill('path', (node) => Buffer.from(`${pathOf(node)}\0`, 'latin1'));
  problems.finish();

  for (const node of [...descendants(draft.root)]) {
    if (node.omitIfUnreferenced && !used.has(node)) removeDraft(draft, node);
  }
  return finished(draft, numbers);
}

/** The old `name` property repeats the node's name; what does not is a mistake. */
function dropNameProperties(draft: DraftTree, problems: ProblemList): void {
  for (const node of descendants(draft.root)) {
    const property = node.properties.get('name');
    if (property === undefined) continue;
    const base = node.name.split('@')[0]!;
    const text = Buffer.concat(property.pieces.map(({ bytes }) => bytes)).toString('latin1');
    if (text === `${base}\0`) node.properties.set('name', undefined);
    else
      problems.add(
        property.position,
        `property name is not the name of its node`,
        `expected "${base}", or no such property`,
      );
  }
}

function explicitPhandle(
  node: DraftNode,
  draft: DraftTree,
  phandles: Map<number, DraftNode>,
  numbers: Map<DraftNode, number>,
  problems: ProblemList,
): void {
  for (const name of PHANDLES) {
    const property = node.properties.get(name);
    if (property === undefined) continue;
    const reference = property.pieces.find((piece) => piece.reference !== undefined)?.reference;
    const bytes = Buffer.concat(property.pieces.map((piece) => piece.bytes));
    const number = bytes.length === 4 ? bytes.readUInt32BE() : 0;
    const other = phandles.get(number);
    if (reference !== undefined) {
      // A node's reference to itself asks for a number like any other reference.
      if (findDraft(draft, reference.text) !== node) {
        problems.add(reference.position, `${name} refers to another node`, 'expected a number of its own');
      }
    } else if (number === 0 || number === NO_PHANDLE) {
      problems.add(property.position, `${name} is no phandle`, 'expected one cell, neither 0 nor -1');
    } else if (other !== undefined && other !== node) {
      problems.add(
        property.position,
        `phandle ${number} is that of ${pathOf(other)} already`,
        'expected another number',
      );
    } else if (numbers.has(node) && numbers.get(node) !== number) {
      problems.add(property.position, 'phandle and linux,phandle differ', 'expected the same number');
    } else {
      phandles.set(number, node);
      numbers.set(node, number);
    }
  }
}

function replacePieces(
  node: DraftNode,
  property: DraftProperty,
  kind: 'cell' | 'path',
  target: (reference: Reference) => DraftNode | undefined,
  bytesOf: (node: DraftNode) => Uint8Array,
): void {
  if (!property.pieces.some((piece) => piece.kind === kind && piece.reference !== undefined)) return;
  const pieces = property.pieces.map((piece): DraftPiece => {
    if (piece.kind !== kind || piece.reference === undefined) return piece;
    const found = target(piece.reference);
    return found === undefined ? piece : { ...piece, bytes: bytesOf(found) };
  });
  node.properties.set(property.name, { ...property, pieces });
}

function addPhandle(node: DraftNode, number: number): void {
  if (node.properties.get('phandle') !== undefined) return;
  const { position } = node;
  const piece: DraftPiece = { kind: 'cell', position, bytes: bigEndian(BigInt(number), 32), labels: [] };
  node.properties.set('phandle', { name: 'phandle', position, labels: new Set(), pieces: [piece] });
}

function finished(draft: DraftTree, numbers: ReadonlyMap<DraftNode, number>): DeviceTree {
  const nodes = new Map<DraftNode, DeviceNode>();
  const finish = (from: DraftNode, parent: DeviceNode | undefined): DeviceNode => {
    const children: DeviceNode[] = [];
    const { name, position } = from;
    const path = parent === undefined ? '/' : `${parent.parent === undefined ? '' : parent.path}/${name}`;
    const properties = new Map(
      livingProperties(from).map((property) => [property.name, finishProperty(property)]),
    );
    const node: DeviceNode = { name, path, labels: [...from.labels], parent, properties, children, position };
    nodes.set(from, node);
    for (const child of from.children.values()) {
      if (!child.deleted) children.push(finish(child, node));
    }
    return node;
  };
  const root = finish(draft.root, undefined);
  const known = <Key>(pairs: Iterable<readonly [Key, DraftNode]>): Map<Key, DeviceNode> => {
    const found = new Map<Key, DeviceNode>();
    for (const [key, from] of pairs) {
      const node = nodes.get(from);
      if (node !== undefined) found.set(key, node);
    }
    return found;
  };
  const phandles = known([...numbers].map(([node, number]) => [number, node] as const));
  return { root, reservations: draft.reservations, labels: known(draft.labels), phandles };
}

function finishProperty(property: DraftProperty): DeviceProperty {
  let offset = 0;
  const pieces = property.pieces.map(({ kind, bytes, labels, position }): Piece => {
    const piece = { kind, offset, size: bytes.length, labels, position };
    offset += bytes.length;
    return piece;
  });
  const bytes = Buffer.concat(property.pieces.map((piece) => piece.bytes));
  return { name: property.name, labels: [...property.labels], bytes, pieces, position: property.position };
}
