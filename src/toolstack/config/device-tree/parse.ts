import type { SourcePosition } from '../../../contract/system.ts';
import { expectedLike, quote, refuse } from '../problem.ts';
import { readBytes, type Source } from '../source.ts';
import {
  draftNode,
  findDraft,
  removeDraft,
  type DraftNode,
  type DraftPiece,
  type DraftTree,
  type Reference,
} from './draft.ts';
import { takeInteger } from './expression.ts';
import { decode, Reader } from './reader.ts';

/** Deeper trees exist nowhere, and the blob's readers stop at 64 too. */
const DEEPEST_NODE = 64;

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*):/y;
const NAME = /\\?([a-zA-Z0-9,._+*#?@-]+)/y;
const LABEL_REFERENCE = /&([a-zA-Z_][a-zA-Z0-9_]*)/y;
const PATH_REFERENCE = /&\{([a-zA-Z0-9,._+*#?@/-]*)\}/y;
/** Bytes may stand apart or close; in a file's worth of them, one at a time would take long. */
const BYTES = /[0-9a-fA-F]{2}(?:[ \t\n]*(?![a-zA-Z_]\w{0,255}:)[0-9a-fA-F]{2}){0,999}/y;
const WIDTH = /\d+/y;

/** Reads the whole source; merges and deletions are done, references are still to be resolved. */
export function parseDraft(source: Source): DraftTree {
  const reader = new Reader(source);
  const tree: DraftTree = {
    root: draftNode('', undefined, reader.here()),
    labels: new Map(),
    reservations: [],
  };
  header(reader);
  let seen = false;
  while (!reader.atEnd()) seen = topLevel(reader, tree, seen) || seen;
  if (!seen) reader.unexpected("expected the root node, '/ { ... };'");
  return tree;
}

function header(reader: Reader): void {
  if (!reader.takeText('/dts-v1/'))
    reader.unexpected("expected '/dts-v1/;' at the start of a device tree source");
  reader.expect(';', 'after /dts-v1/');
  while (reader.takeText('/dts-v1/')) reader.expect(';', 'after /dts-v1/');
  if (reader.sees('/plugin/')) {
    refuse(
      reader.here(),
      '/plugin/ makes this an overlay',
      'expected a whole tree: apply the overlay to its base first, with fdtoverlay',
    );
  }
}

/** Reads one statement; true if it was the root node. */
function topLevel(reader: Reader, tree: DraftTree, seen: boolean): boolean {
  if (reader.takeText('/memreserve/')) {
    const address = integer(reader, 'an address');
    const size = integer(reader, 'a size');
    reader.expect(';', 'after /memreserve/');
    tree.reservations.push({ address, size });
    return false;
  }
  if (reader.takeText('/delete-node/')) {
    const node = referenced(reader, tree);
    if (node === tree.root) reader.unexpected('expected a node below the root to delete');
    removeDraft(tree, node);
    reader.expect(';', 'after /delete-node/');
    return false;
  }
  if (reader.takeText('/omit-if-no-ref/')) {
    referenced(reader, tree).omitIfUnreferenced = true;
    reader.expect(';', 'after /omit-if-no-ref/');
    return false;
  }
  const labels = takeLabels(reader);
  if (labels.length > 0 && reader.takeText('/memreserve/')) {
    tree.reservations.push({ address: integer(reader, 'an address'), size: integer(reader, 'a size') });
    reader.expect(';', 'after /memreserve/');
    return false;
  }
  if (labels.length === 0 && reader.takeText('/')) {
    body(reader, tree, tree.root, !seen, 0);
    return true;
  }
  if (!reader.sees('&')) reader.unexpected("expected '/ {', '&label {' or a directive such as /delete-node/");
  const node = referenced(reader, tree);
  addLabels(tree, node, labels);
  body(reader, tree, node, false, 0);
  return false;
}

/**
 * Reads `{ ... };` into `node`. In a `fresh` node nothing may stand twice; else it merges. A deletion in
 * a fresh node takes a place all the same: dtc's order, and so its phandles, depend on it.
 */
function body(reader: Reader, tree: DraftTree, node: DraftNode, fresh: boolean, depth: number): void {
  if (depth > DEEPEST_NODE)
    refuse(reader.here(), 'this node nests too deep', `expected at most ${DEEPEST_NODE} levels`);
  reader.expect('{', 'to open the node');
  let nodesBegan = false;
  while (!reader.takeText('}')) {
    if (reader.takeText('/delete-property/')) {
      const name = takeName(reader, 'the name of the property to delete');
      if (fresh || node.properties.has(name)) node.properties.set(name, undefined);
      reader.expect(';', 'after /delete-property/');
    } else if (reader.takeText('/delete-node/')) {
      const name = takeName(reader, 'the name of the node to delete');
      const child = node.children.get(name);
      if (child !== undefined) removeDraft(tree, child);
      else if (fresh) node.children.set(name, { ...draftNode(name, node, reader.here()), deleted: true });
      reader.expect(';', 'after /delete-node/');
      nodesBegan = true;
    } else {
      nodesBegan = member(reader, tree, node, fresh, nodesBegan, depth);
    }
  }
  reader.expect(';', "after the node's '}'");
}

/** Reads one property or child; true once the node's children have begun. */
function member(
  reader: Reader,
  tree: DraftTree,
  node: DraftNode,
  fresh: boolean,
  nodesBegan: boolean,
  depth: number,
): boolean {
  let omit = false;
  const labels = takeLabels(reader);
  while (reader.takeText('/omit-if-no-ref/')) {
    omit = true;
    labels.push(...takeLabels(reader));
  }
  const position = reader.here();
  const name = takeName(reader, "a property, a node or '}'");
  if (omit || reader.sees('{')) {
    child(reader, tree, node, { name, labels, position, omit }, fresh, depth);
    return true;
  }
  if (nodesBegan) {
    refuse(
      position,
      `property ${name} stands after a child node`,
      'expected the properties of a node before its nodes',
    );
  }
  const old = node.properties.get(name);
  if (old !== undefined && fresh) {
    refuse(position, `property ${name} is given twice`, 'expected each property once in a node');
  }
  const pieces = reader.takeText('=') ? value(reader) : [];
  reader.expect(';', `after property ${name}`);
  node.properties.set(name, { name, position, labels: new Set([...(old?.labels ?? []), ...labels]), pieces });
  return nodesBegan;
}

function child(
  reader: Reader,
  tree: DraftTree,
  parent: DraftNode,
  head: { name: string; labels: string[]; position: SourcePosition; omit: boolean },
  fresh: boolean,
  depth: number,
): void {
  const { name, labels, position } = head;
  const old = parent.children.get(name);
  if (old !== undefined && !old.deleted && fresh) {
    refuse(
      position,
      `node ${name} is given twice`,
      'expected each node once in its parent; a second "/ { ... };" may add to it',
    );
  }
  if (name.split('@').length > 2)
    refuse(position, `node name ${name} has more than one '@'`, 'expected name@unit-address');
  const node = old ?? draftNode(name, parent, position);
  node.deleted = false;
  if (old === undefined) {
    parent.children.set(name, node);
    node.omitIfUnreferenced = head.omit;
  }
  addLabels(tree, node, labels, position);
  body(reader, tree, node, old === undefined, depth + 1);
}

function value(reader: Reader): DraftPiece[] {
  const pieces: DraftPiece[] = [];
  do {
    const labels = takeLabels(reader);
    const element = elementOf(reader);
    labelFirst(element, labels);
    for (const piece of element) pieces.push(piece);
    takeLabels(reader);
  } while (reader.takeText(','));
  return pieces;
}

function elementOf(reader: Reader): DraftPiece[] {
  const position = reader.here();
  const text = reader.takeString();
  if (text !== undefined)
    return [{ kind: 'string', position, bytes: Buffer.from(`${text}\0`, 'latin1'), labels: [] }];
  if (reader.takeText('/bits/')) {
    const width = Number(reader.take(WIDTH)?.[0]);
    if (width !== 8 && width !== 16 && width !== 32 && width !== 64) {
      refuse(position, '/bits/ is given with no width that exists', 'expected 8, 16, 32 or 64');
    }
    reader.expect('<', 'after /bits/');
    return cells(reader, width);
  }
  if (reader.takeText('<')) return cells(reader, 32);
  if (reader.takeText('[')) return [{ kind: 'bytes', position, bytes: byteString(reader), labels: [] }];
  if (reader.takeText('/incbin/')) return [{ kind: 'bytes', position, bytes: incbin(reader), labels: [] }];
  const reference = takeReference(reader);
  if (reference !== undefined)
    return [{ kind: 'path', position, bytes: new Uint8Array(), reference, labels: [] }];
  return reader.unexpected('expected a value: "string", <cells>, [bytes], &label or &{/path}');
}

function cells(reader: Reader, width: 8 | 16 | 32 | 64): DraftPiece[] {
  const pieces: DraftPiece[] = [];
  for (;;) {
    const labels = takeLabels(reader);
    const position = reader.here();
    if (reader.takeText('>')) return pieces;
    const reference = takeReference(reader);
    if (reference !== undefined) {
      if (width !== 32)
        refuse(position, `a reference stands among ${width}-bit values`, 'expected it in a list of 32 bits');
      pieces.push({ kind: 'cell', position, bytes: new Uint8Array(4), reference, labels });
      continue;
    }
    const number =
      takeInteger(reader) ??
      reader.unexpected("expected a number, a reference, an expression in parentheses or '>'");
    // A negative value is all ones above the width.
    if (
      BigInt.asUintN(width, number) !== number &&
      number >> BigInt(width) !== (1n << BigInt(64 - width)) - 1n
    ) {
      refuse(position, `${number} does not fit`, `expected at most ${width} bits`);
    }
    pieces.push({ kind: 'cell', position, bytes: bigEndian(number, width), labels });
  }
}

function byteString(reader: Reader): Uint8Array {
  const found: Buffer[] = [];
  for (;;) {
    takeLabels(reader);
    if (reader.takeText(']')) return Buffer.concat(found);
    const bytes = reader.take(BYTES)?.[0] ?? reader.unexpected("expected two hexadecimal digits or ']'");
    found.push(Buffer.from(bytes.replace(/[ \t\n]/g, ''), 'hex'));
  }
}

function incbin(reader: Reader): Uint8Array {
  reader.expect('(', 'after /incbin/');
  const position = reader.here();
  const name = reader.takeString() ?? reader.unexpected('expected the name of a file in double quotes');
  const all = readBytes(reader.resolve(decode(name)), position);
  if (reader.takeText(')')) return all;
  reader.expect(',', 'after the file of /incbin/');
  const start = integer(reader, 'an offset');
  reader.expect(',', 'after the offset of /incbin/');
  const length = integer(reader, 'a length');
  reader.expect(')', 'at the end of /incbin/');
  if (start + length > BigInt(all.length)) {
    refuse(
      position,
      `/incbin/ asks for bytes ${start} to ${start + length}`,
      `expected at most the ${all.length} of the file`,
    );
  }
  return all.subarray(Number(start), Number(start + length));
}

function integer(reader: Reader, what: string): bigint {
  return takeInteger(reader) ?? reader.unexpected(`expected ${what}`);
}

function takeName(reader: Reader, what: string): string {
  return reader.take(NAME)?.[1] ?? reader.unexpected(`expected ${what}`);
}

function takeLabels(reader: Reader): string[] {
  const labels: string[] = [];
  for (let label = reader.take(LABEL)?.[1]; label !== undefined; label = reader.take(LABEL)?.[1])
    labels.push(label);
  return labels;
}

function labelFirst(pieces: DraftPiece[], labels: readonly string[]): void {
  const first = pieces[0];
  if (first !== undefined && labels.length > 0)
    pieces[0] = { ...first, labels: [...labels, ...first.labels] };
}

function takeReference(reader: Reader): Reference | undefined {
  const position = reader.here();
  const text = reader.take(PATH_REFERENCE)?.[1] ?? reader.take(LABEL_REFERENCE)?.[1];
  return text === undefined ? undefined : { text, position };
}

function referenced(reader: Reader, tree: DraftTree): DraftNode {
  const reference = takeReference(reader) ?? reader.unexpected('expected &label or &{/path}');
  return findDraft(tree, reference.text) ?? refuseReference(reference, tree);
}

function refuseReference({ text, position }: Reference, tree: DraftTree): never {
  return refuse(
    position,
    `reference ${quote(text)} leads nowhere`,
    expectedLike('a label or a path given above', text, tree.labels.keys()),
  );
}

function addLabels(
  tree: DraftTree,
  node: DraftNode,
  labels: readonly string[],
  position = node.position,
): void {
  for (const label of labels) {
    const other = tree.labels.get(label);
    if (other !== undefined && other !== node) {
      refuse(
        position,
        `label ${label} is given to two nodes`,
        `expected another name than that of node ${other.name || '/'}`,
      );
    }
    tree.labels.set(label, node);
    node.labels.add(label);
  }
}

export function bigEndian(value: bigint, width: number): Uint8Array {
  const found = new Uint8Array(width / 8);
  for (let index = found.length - 1, rest = value; index >= 0; index--, rest >>= 8n)
    found[index] = Number(rest & 0xffn);
  return found;
}
