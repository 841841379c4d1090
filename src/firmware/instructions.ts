import type { Reader } from './reader.ts';

/** Opcodes that Covisor looks at. A prefixed one is `prefix << 8 | number`. */
export const OP = {
  unreachable: 0x00,
  nop: 0x01,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  tableSet: 0x26,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eqz: 0x45,
  i32LtS: 0x48,
  i32GtS: 0x4a,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32ShrU: 0x76,
  i32ReinterpretF32: 0xbc,
  i64ReinterpretF64: 0xbd,
  f32ReinterpretI32: 0xbe,
  f64ReinterpretI64: 0xbf,
  memoryInit: 0xfc08,
  dataDrop: 0xfc09,
  memoryCopy: 0xfc0a,
  memoryFill: 0xfc0b,
  tableInit: 0xfc0c,
  elemDrop: 0xfc0d,
  tableCopy: 0xfc0e,
  tableGrow: 0xfc0f,
  tableFill: 0xfc11,
  atomicWait32: 0xfe01,
  atomicWait64: 0xfe02,
} as const;

export const EMPTY_BLOCK = 0x40;

/** How a binary writes each value type. */
export const VALUE_TYPE_BYTES = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
} as const;

export type ValueType = keyof typeof VALUE_TYPE_BYTES;

const valueTypes = new Map(
  Object.entries(VALUE_TYPE_BYTES).map(([type, byte]): [number, ValueType] => [byte, type as ValueType]),
);

export function readValueType(reader: Reader): ValueType {
  const at = reader.at;
  const byte = reader.byte();
  return (
    valueTypes.get(byte) ??
    reader.refuse(`has value type ${hex(byte)}, which WebAssembly 2.0 does not know`, at)
  );
}

export const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`;

/** One instruction; {@link readInstruction} fills the same object again and again. */
export interface Instruction {
  opcode: number;
  /** Offset of its first byte. */
  start: number;
  /** Its first immediate where that is an index (a label, function, local or global). */
  index: number;
  /** All labels of a `br_table`, the default last. */
  labels: number[];
}

export const emptyInstruction = (): Instruction => ({ opcode: 0, start: 0, index: 0, labels: [] });

/**
 * Reads the instruction at `reader` with all of its immediates. Knows WebAssembly 2.0 (sign extension,
 * saturating conversion, bulk memory, reference types, multi-value, SIMD), threads and tail calls:
 * https://webassembly.github.io/spec/core/binary/instructions.html and the two proposals.
 */
export function readInstruction(reader: Reader, into: Instruction): void {
  into.start = reader.at;
  const first = reader.byte();
  if (first < 0xfb) {
    into.opcode = first;
    readPlain(reader, first, into);
    return;
  }
  const number = reader.u32();
  into.opcode = (first << 8) | number;
  if (first === 0xfc && number <= 17) readBulk(reader, number, into);
  else if (first === 0xfd && number <= 255) readVector(reader, number);
  else if (first === 0xfd)
    reader.refuse('uses relaxed SIMD, whose bits differ between machines; build without it', into.start);
  else if (first === 0xfe && number <= 0x4e) readAtomic(reader, number);
  else unknown(reader, into);
}

function unknown(reader: Reader, { opcode, start }: Instruction): never {
  return reader.refuse(
    `has instruction ${hex(opcode)}, beyond WebAssembly 2.0 with threads and tail calls; build without it`,
    start,
  );
}

function readPlain(reader: Reader, opcode: number, into: Instruction): void {
  if (opcode >= 0x45 && opcode <= 0xc4) return;
  if (opcode >= 0x28 && opcode <= 0x3e) return memoryArgument(reader);
  switch (opcode) {
    case OP.unreachable:
    case OP.nop:
    case OP.else:
    case OP.end:
    case OP.return:
    case 0x1a: // drop
    case 0x1b: // select
    case 0xd1: // ref.is_null
      return;
    case OP.block:
    case OP.loop:
    case OP.if:
      return blockType(reader);
    case OP.brTable: {
      into.labels.length = 0;
      for (let left = reader.count(); left >= 0; left--) into.labels.push(reader.u32());
      return;
    }
    case OP.br:
    case OP.brIf:
    case OP.call:
    case OP.returnCall:
    case OP.localGet:
    case OP.localSet:
    case OP.localTee:
    case OP.globalGet:
    case OP.globalSet:
    case 0x25: // table.get
    case OP.tableSet:
    case OP.memorySize:
    case OP.memoryGrow:
    case 0xd2: // ref.func
      into.index = reader.u32();
      return;
    case OP.callIndirect:
    case OP.returnCallIndirect:
      into.index = reader.u32();
      reader.u32();
      return;
    case 0x1c: // select with types
      for (let left = reader.count(); left > 0; left--) readValueType(reader);
      return;
    case OP.i32Const:
      reader.s32();
      return;
    case OP.i64Const:
      reader.s64();
      return;
    case OP.f32Const:
      return reader.skip(4);
    case OP.f64Const:
      return reader.skip(8);
    case 0xd0: // ref.null
      readValueType(reader);
      return;
    default:
      unknown(reader, into);
  }
}

/** A block's type is empty, one value, or the index of a function type. */
function blockType(reader: Reader): void {
  const at = reader.at;
  if (reader.byte() === EMPTY_BLOCK) return;
  reader.at = at;
  if (reader.s33() >= 0) return;
  reader.at = at;
  readValueType(reader);
}

function memoryArgument(reader: Reader): void {
  const alignment = reader.u32();
  if (alignment >= 64) reader.u32();
  reader.u32();
}

function readBulk(reader: Reader, number: number, into: Instruction): void {
  if (number < 8) return;
  into.index = reader.u32();
  // memory.init, memory.copy, table.init and table.copy name two things.
  if (number === 8 || number === 10 || number === 12 || number === 14) reader.u32();
}

function readVector(reader: Reader, number: number): void {
  if (number <= 11 || number === 92 || number === 93) return memoryArgument(reader);
  if (number === 12 || number === 13) return reader.skip(16);
  if (number >= 21 && number <= 34) return reader.skip(1);
  if (number >= 84 && number <= 91) {
    memoryArgument(reader);
    reader.skip(1);
  }
}

function readAtomic(reader: Reader, number: number): void {
  if (number === 3) return reader.skip(1);
  memoryArgument(reader);
}
