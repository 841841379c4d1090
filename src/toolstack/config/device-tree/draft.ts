import type { SourcePosition } from '../../../contract/system.ts';

/** A node while its source is being read: later statements may still merge into it or delete it. */
export interface DraftNode {
  readonly name: string;
  readonly parent: DraftNode | undefined;
  readonly position: SourcePosition;
  readonly labels: Set<string>;
  /** A deleted property leaves undefined: given again, it has its old place, as dtc has it. */
  readonly properties: Map<string, DraftProperty | undefined>;
  readonly children: Map<string, DraftNode>;
  /** Deleted nodes keep their places too. */
  deleted: boolean;
  /** Under `/omit-if-no-ref/`: dropped unless something refers to it. */
  omitIfUnreferenced: boolean;
}

export interface DraftProperty {
  readonly name: string;
  readonly position: SourcePosition;
  readonly labels: Set<string>;
  readonly pieces: readonly DraftPiece[];
}

export interface DraftPiece {
  readonly kind: 'cell' | 'string' | 'bytes' | 'path';
  readonly position: SourcePosition;
  /** Big-endian, as it stands in the blob; zero or empty while a reference waits to be resolved. */
  readonly bytes: Uint8Array;
  readonly reference?: Reference;
  readonly labels: readonly string[];
}

/** `&label`, `&{/path}` or `&{label/path}`, without the ampersand and the braces. */
export interface Reference {
  readonly text: string;
  readonly position: SourcePosition;
}

export interface DraftTree {
  readonly root: DraftNode;
  /** Where each label of a living node stands. */
  readonly labels: Map<string, DraftNode>;
  readonly reservations: { readonly address: bigint; readonly size: bigint }[];
}

export function draftNode(name: string, parent: DraftNode | undefined, position: SourcePosition): DraftNode {
  return {
    name,
    parent,
    position,
    labels: new Set(),
    properties: new Map(),
    children: new Map(),
    deleted: false,
    omitIfUnreferenced: false,
  };
}

export function pathOf(node: DraftNode): string {
  if (node.parent === undefined) return '/';
  return node.parent.parent === undefined ? `/${node.name}` : `${pathOf(node.parent)}/${node.name}`;
}

/** Names match whole, unit address included: a prefix names nothing. */
export function findDraft(tree: DraftTree, text: string): DraftNode | undefined {
  const [head, ...names] = text === '/' ? [''] : text.split('/');
  if (text === '') return undefined;
  let node = head === '' ? tree.root : tree.labels.get(head!);
  for (const name of names) node = livingChild(node, name);
  return node;
}

export function livingChild(node: DraftNode | undefined, name: string): DraftNode | undefined {
  const child = node?.children.get(name);
  return child?.deleted === true ? undefined : child;
}

export function livingProperties(node: DraftNode): DraftProperty[] {
  return [...node.properties.values()].filter((property) => property !== undefined);
}

export function removeDraft(tree: DraftTree, node: DraftNode): void {
  for (const gone of [...descendants(node)]) {
    gone.deleted = true;
    for (const name of gone.properties.keys()) gone.properties.set(name, undefined);
    for (const label of gone.labels) tree.labels.delete(label);
    gone.labels.clear();
  }
}

/** The node and all below it, each before its children: the order in which dtc numbers phandles. */
export function* descendants(node: DraftNode): Generator<DraftNode> {
  if (node.deleted) return;
  yield node;
  for (const child of node.children.values()) yield* descendants(child);
}
