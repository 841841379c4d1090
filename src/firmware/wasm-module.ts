import type { Outcome } from '../base/outcome.ts';
import { failed, ok } from '../base/outcome.ts';
import type { ValueType } from './instructions.ts';
import { OP, emptyInstruction, hex, readInstruction, readValueType } from './instructions.ts';
import { RefusedModule, Reader } from './reader.ts';

export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
} as const;

/** The order in which sections stand in a module. */
export const SECTION_ORDER: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface MemoryLimits {
  readonly minimum: number;
  readonly maximum: number | undefined;
  readonly shared: boolean;
}

export interface GlobalType {
  readonly type: ValueType;
  readonly mutable: boolean;
}

export type WasmImport = { readonly module: string; readonly name: string } & (
  | { readonly kind: 'function'; readonly typeIndex: number }
  | { readonly kind: 'table' }
  | { readonly kind: 'memory'; readonly limits: MemoryLimits }
  | ({ readonly kind: 'global' } & GlobalType)
);

export interface WasmGlobal extends GlobalType {
  /** Offsets of the initial value's expression, its `end` included. */
  readonly start: number;
  readonly end: number;
  /** The initial value where it is a plain `i32.const`. */
  readonly constant: number | undefined;
}

export interface WasmExport {
  readonly name: string;
  readonly kind: 'function' | 'table' | 'memory' | 'global';
  readonly index: number;
}

/** Offsets of one function's body: its local declarations, then its instructions. */
export interface WasmBody {
  readonly start: number;
  readonly end: number;
}

export interface WasmModule {
  readonly bytes: Uint8Array;
  /** Offsets of the contents of every section but custom ones, by identifier. */
  readonly sections: ReadonlyMap<number, { readonly start: number; readonly end: number }>;
  readonly types: readonly FunctionType[];
  readonly imports: readonly WasmImport[];
  /** Type indices of all functions, the imported ones first. */
  readonly functions: readonly number[];
  /** Memories that the module defines itself. */
  readonly ownMemories: number;
  /** Globals that the module defines itself; an imported one makes the ABI check fail. */
  readonly globals: readonly WasmGlobal[];
  readonly exports: readonly WasmExport[];
  readonly bodies: readonly WasmBody[];
}

/** Runs `read`, and turns damage that it finds into a failed outcome that names the offset where there is one. */
export function reading<T>(read: () => T): Outcome<T> {
  try {
    return ok(read());
  } catch (error) {
    if (!(error instanceof RefusedModule)) throw error;
    return failed(error.message + (error.offset === undefined ? '' : ` (at byte ${hex(error.offset)})`));
  }
}

const KINDS = ['function', 'table', 'memory', 'global'] as const;
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/**
 * Reads the parts of a module that the ABI and the rewriting look at; tables, segments and the start
 * function are carried over as they stand. Throws {@link RefusedModule}: call it within {@link reading}.
 */
export function readModule(bytes: Uint8Array): WasmModule {
  const reader = new Reader(bytes);
  for (const expected of MAGIC) {
    const at = reader.at;
    if (reader.byte() !== expected) reader.refuse('is not a WebAssembly module of version 1', at);
  }
  const sections = new Map<number, { start: number; end: number }>();
  let last = -1;
  while (!reader.done) {
    const at = reader.at;
    const id = reader.byte();
    const { at: start, end } = reader.sized();
    if (id === SECTION.custom) continue;
    const place = SECTION_ORDER.indexOf(id);
    if (place < 0) reader.refuse(`has section ${id}, which WebAssembly 2.0 does not know`, at);
    if (place <= last) reader.refuse(`has section ${id} twice or out of order`, at);
    last = place;
    sections.set(id, { start, end });
  }

  /** All entries of a section; none when it is not there. */
  const entries = <T>(id: number, entry: (section: Reader) => T): T[] => {
    const place = sections.get(id);
    if (place === undefined) return [];
    const section = new Reader(bytes, place.start, place.end);
    const all = Array.from({ length: section.count() }, () => entry(section));
    if (!section.done) section.refuse(`section ${id} has bytes after its last entry`);
    return all;
  };

  const types = entries(SECTION.type, readFunctionType);
  const imports = entries(SECTION.import, readImport);
  const functions = imports
    .flatMap((entry) => (entry.kind === 'function' ? [entry.typeIndex] : []))
    .concat(entries(SECTION.function, (section) => section.u32()));
  for (const type of functions)
    if (type >= types.length)
      reader.refuse(`has a function of type ${type}; there are ${types.length} types`);
  return {
    bytes,
    sections,
    types,
    imports,
    functions,
    ownMemories: entries(SECTION.memory, readLimits).length,
    globals: entries(SECTION.global, readGlobal),
    exports: entries(SECTION.export, readExport),
    bodies: entries(SECTION.code, (section) => {
      const { at: start, end } = section.sized();
      return { start, end };
    }),
  };
}

function readFunctionType(section: Reader): FunctionType {
  const at = section.at;
  if (section.byte() !== 0x60) section.refuse('has a type that is no function type', at);
  const list = (): ValueType[] => Array.from({ length: section.count() }, () => readValueType(section));
  return { params: list(), results: list() };
}

function readImport(section: Reader): WasmImport {
  const module = section.text();
  const name = section.text();
  switch (kind(section)) {
    case 'function':
      return { module, name, kind: 'function', typeIndex: section.u32() };
    case 'table':
      readValueType(section);
      readLimits(section);
      return { module, name, kind: 'table' };
    case 'memory':
      return { module, name, kind: 'memory', limits: readLimits(section) };
    case 'global':
      return { module, name, kind: 'global', ...readGlobalType(section) };
  }
}

function kind(section: Reader): (typeof KINDS)[number] {
  const at = section.at;
  const byte = section.byte();
  return KINDS[byte] ?? section.refuse(`has something of kind ${byte}, which Covisor does not know`, at);
}

function readLimits(section: Reader): MemoryLimits {
  const at = section.at;
  const flags = section.byte();
  if (flags > 3) section.refuse('has a 64-bit memory or table; build for wasm32', at);
  const minimum = section.u32();
  return { minimum, maximum: (flags & 1) === 1 ? section.u32() : undefined, shared: flags > 1 };
}

function readGlobalType(section: Reader): GlobalType {
  return { type: readValueType(section), mutable: section.byte() === 1 };
}

function readGlobal(section: Reader): WasmGlobal {
  const type = readGlobalType(section);
  const start = section.at;
  const constant = skipConstantExpression(section);
  return { ...type, start, end: section.at, constant };
}

/** Constant expressions: constants, `ref.null`, `ref.func`, `global.get`, and i32/i64 add, sub and mul. */
function skipConstantExpression(section: Reader): number | undefined {
  const start = section.at;
  const instruction = emptyInstruction();
  do readInstruction(section, instruction);
  while (instruction.opcode !== OP.end);
  const value = new Reader(section.bytes, start, section.at);
  if (value.byte() !== OP.i32Const) return undefined;
  const constant = value.s32();
  return value.byte() === OP.end ? constant : undefined;
}

function readExport(section: Reader): WasmExport {
  return { name: section.text(), kind: kind(section), index: section.u32() };
}
