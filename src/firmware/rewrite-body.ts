import type { Instruction } from './instructions.ts';
import {
  EMPTY_BLOCK,
  OP,
  VALUE_TYPE_BYTES,
  emptyInstruction,
  readInstruction,
  readValueType,
} from './instructions.ts';
import { Reader } from './reader.ts';
import type { FunctionType, WasmModule } from './wasm-module.ts';
import { Writer } from './writer.ts';

/** Call stack that a metered firmware may use, in words of 8 bytes: 512 KiB, half of what Node gives. */
export const STACK_WORDS = 65_536;
/** Words of a frame beside its locals: return address, saved registers, spilled operands. An estimate. */
const FRAME_WORDS = 16;
/** Copying, filling and initialising memory costs one unit of fuel per 16 bytes. */
const BYTES_PER_UNIT_SHIFT = 4;

/** What the bodies need to know of the module around them. */
export interface BodyContext {
  readonly module: WasmModule;
  /** Types of the globals whose value is kept as raw bits, by index. */
  readonly rawGlobals: ReadonlyMap<number, 'f32' | 'f64'>;
  /** Indices of the metering globals, when the firmware is metered. */
  readonly meter: { readonly fuel: number; readonly stack: number } | undefined;
  /** The index of the type `() -> results`, added to the module when it has none. */
  typeOfResults(results: FunctionType['results']): number;
}

/** What would let a firmware keep state where no context can hold it. */
const REFUSED: Readonly<Record<number, string>> = {
  [OP.tableSet]: 'table.set',
  [OP.tableInit]: 'table.init',
  [OP.tableCopy]: 'table.copy',
  [OP.tableGrow]: 'table.grow',
  [OP.tableFill]: 'table.fill',
  [OP.elemDrop]: 'elem.drop',
  [OP.dataDrop]: 'data.drop',
};

/** What would put the coprocessor to sleep: local memory is shared, but nobody else is there to wake it. */
const WAITS: Readonly<Record<number, string>> = {
  [OP.atomicWait32]: 'memory.atomic.wait32',
  [OP.atomicWait64]: 'memory.atomic.wait64',
};

/** A block that is open: its kind, whether a branch goes to its label, and to where its code belongs. */
interface Label {
  readonly opcode: number;
  targeted: boolean;
}

/** Rewrites the body of the module's own function `index`; gives its locals and instructions, without size. */
export function rewriteBody(context: BodyContext, index: number): Uint8Array {
  const { module } = context;
  const body = module.bodies[index]!;
  const importedFunctions = module.functions.length - module.bodies.length;
  const type = module.types[module.functions[importedFunctions + index]!]!;
  const shape = survey(module.bytes, body);
  const out = new Writer();

  // A local of our own, after all others, for the length of a bulk operation.
  const scratch = type.params.length + shape.locals;
  const needsScratch = context.meter !== undefined && shape.bulk;
  const groups = new Reader(module.bytes, body.start, body.end);
  const groupCount = groups.u32();
  out.u32(groupCount + (needsScratch ? 1 : 0)).raw(module.bytes.subarray(groups.at, shape.instructions));
  if (needsScratch) out.u32(1).byte(VALUE_TYPE_BYTES.i32);

  // Only a function that calls can be part of a recursion.
  const words =
    context.meter !== undefined && shape.calls ? FRAME_WORDS + type.params.length + shape.locals : 0;
  const code = new BodyRewriter(context, scratch, words).rewrite(
    new Reader(module.bytes, shape.instructions, body.end),
  );
  if (words === 0) return out.raw(code).bytes;

  enterFrame(out, context.meter!.stack, words);
  // The body becomes a block, so that every way out of it leads through the end of the frame.
  // A branch to the function's own label is then one to the block, with the same index.
  out.byte(OP.block);
  const [first] = type.results;
  if (first === undefined) out.byte(EMPTY_BLOCK);
  else if (type.results.length === 1) out.byte(VALUE_TYPE_BYTES[first]);
  else out.s32(context.typeOfResults(type.results));
  out.raw(code);
  leaveFrame(out, context.meter!.stack, words);
  return out.byte(OP.end).bytes;
}

interface Shape {
  /** Declared locals, without parameters. */
  readonly locals: number;
  /** Offset of the first instruction. */
  readonly instructions: number;
  readonly calls: boolean;
  readonly bulk: boolean;
}

/** Reads a body once: counts its locals, refuses what is not allowed, sees what it needs. */
function survey(bytes: Uint8Array, body: { readonly start: number; readonly end: number }): Shape {
  const reader = new Reader(bytes, body.start, body.end);
  let locals = 0;
  for (let groups = reader.count(); groups > 0; groups--) {
    locals += reader.u32();
    readValueType(reader);
  }
  const instructions = reader.at;
  const instruction = emptyInstruction();
  let calls = false;
  let bulk = false;
  while (!reader.done) {
    readInstruction(reader, instruction);
    const { opcode } = instruction;
    const refused = REFUSED[opcode];
    if (refused !== undefined)
      reader.refuse(`uses ${refused}, whose effect no context can hold; build without it`, instruction.start);
    const wait = WAITS[opcode];
    if (wait !== undefined)
      reader.refuse(
        `uses ${wait}, from which nobody would wake it; return from step instead`,
        instruction.start,
      );
    calls ||= opcode === OP.call || opcode === OP.callIndirect;
    bulk ||= isBulk(opcode);
  }
  return { locals, instructions, calls, bulk };
}

const isBulk = (opcode: number): boolean =>
  opcode === OP.memoryCopy || opcode === OP.memoryFill || opcode === OP.memoryInit;

/** Instructions that only structure the code cost nothing; any other costs one unit of fuel. */
const isFree = (opcode: number): boolean =>
  opcode === OP.block || opcode === OP.loop || opcode === OP.else || opcode === OP.end || opcode === OP.nop;

/**
 * Rewrites a body's instructions. When metered, each stretch of code that is entered only at its front and
 * left only at its back is charged as a whole at its front, so the charge is exact: a unit for every
 * instruction that runs. Only a trap in the middle of a stretch leaves the rest of it charged.
 */
class BodyRewriter {
  private readonly context: BodyContext;
  private readonly scratch: number;
  private readonly frameWords: number;
  private readonly out = new Writer();
  private stretch = new Writer();
  private cost = 0;
  /** Open blocks, the innermost last; the first is the function itself. */
  private readonly labels: Label[] = [{ opcode: OP.block, targeted: false }];

  constructor(context: BodyContext, scratch: number, frameWords: number) {
    this.context = context;
    this.scratch = scratch;
    this.frameWords = frameWords;
  }

  rewrite(reader: Reader): Uint8Array {
    const instruction = emptyInstruction();
    while (!reader.done) {
      readInstruction(reader, instruction);
      if (!isFree(instruction.opcode)) this.cost++;
      this.write(instruction, reader.bytes.subarray(instruction.start, reader.at));
    }
    this.endStretch();
    return this.out.bytes;
  }

  private write(instruction: Instruction, original: Uint8Array): void {
    const { opcode, index } = instruction;
    const { stretch, labels, context } = this;
    switch (opcode) {
      case OP.block:
        labels.push({ opcode, targeted: false });
        stretch.raw(original);
        return;
      case OP.loop:
      case OP.if:
        labels.push({ opcode, targeted: false });
        stretch.raw(original);
        return this.endStretch();
      case OP.else:
        stretch.raw(original);
        return this.endStretch();
      case OP.end: {
        const label = labels.pop();
        stretch.raw(original);
        // Control comes here from elsewhere only out of an arm of an `if`, or by a branch to a block.
        if (label?.opcode === OP.if || (label?.opcode === OP.block && label.targeted)) this.endStretch();
        return;
      }
      case OP.br:
      case OP.brIf:
        this.target(index);
        stretch.raw(original);
        return this.endStretch();
      case OP.brTable:
        for (const label of instruction.labels) this.target(label);
        stretch.raw(original);
        return this.endStretch();
      case OP.return:
        if (this.frameWords > 0) stretch.byte(OP.br).u32(labels.length - 1);
        else stretch.raw(original);
        return this.endStretch();
      case OP.returnCall:
      case OP.returnCallIndirect:
        if (this.frameWords > 0) leaveFrame(stretch, context.meter!.stack, this.frameWords);
        stretch.raw(original);
        return this.endStretch();
      case OP.unreachable:
        stretch.raw(original);
        return this.endStretch();
      case OP.globalGet: {
        stretch.raw(original);
        const raw = context.rawGlobals.get(index);
        if (raw !== undefined) stretch.byte(raw === 'f32' ? OP.f32ReinterpretI32 : OP.f64ReinterpretI64);
        return;
      }
      case OP.globalSet: {
        const raw = context.rawGlobals.get(index);
        if (raw !== undefined) stretch.byte(raw === 'f32' ? OP.i32ReinterpretF32 : OP.i64ReinterpretF64);
        stretch.raw(original);
        return;
      }
      case OP.memoryGrow:
        // By nothing: the size. By more: -1, as when the maximum is reached.
        stretch
          .byte(OP.i32Eqz, OP.if, VALUE_TYPE_BYTES.i32, OP.memorySize, 0, OP.else, OP.i32Const)
          .s32(-1)
          .byte(OP.end);
        return;
      default:
        if (context.meter !== undefined && isBulk(opcode)) {
          stretch.byte(OP.localTee).u32(this.scratch);
          charge(stretch, context.meter.fuel, () =>
            stretch.byte(OP.localGet).u32(this.scratch).byte(OP.i32Const, BYTES_PER_UNIT_SHIFT, OP.i32ShrU),
          );
        }
        stretch.raw(original);
    }
  }

  private target(depth: number): void {
    const label = this.labels[this.labels.length - 1 - depth];
    if (label !== undefined) label.targeted = true;
  }

  /** Writes the charge for the stretch, then the stretch. */
  private endStretch(): void {
    const { context, cost, out } = this;
    if (context.meter !== undefined && cost > 0)
      charge(out, context.meter.fuel, () => out.byte(OP.i32Const).s32(cost));
    out.raw(this.stretch.bytes);
    this.stretch = new Writer();
    this.cost = 0;
  }
}

/**
 * `if (fuel < cost) { fuel = -1; unreachable } fuel -= cost`. Fuel below zero says why it trapped, and
 * keeps the firmware from running on; it never falls lower, so it cannot wrap around.
 */
function charge(out: Writer, fuel: number, cost: () => void): void {
  out.byte(OP.globalGet).u32(fuel);
  cost();
  out.byte(OP.i32LtS, OP.if, EMPTY_BLOCK);
  out.byte(OP.i32Const).s32(-1).byte(OP.globalSet).u32(fuel).byte(OP.unreachable, OP.end);
  out.byte(OP.globalGet).u32(fuel);
  cost();
  out.byte(OP.i32Sub, OP.globalSet).u32(fuel);
}

/**
 * `stack += words; if (stack > limit) unreachable`: the stack's end must not depend on how the engine
 * compiled the code, or a simulated run would not repeat. What is left above the limit says why it trapped.
 */
function enterFrame(out: Writer, stack: number, words: number): void {
  out.byte(OP.globalGet).u32(stack).byte(OP.i32Const).s32(words).byte(OP.i32Add, OP.globalSet).u32(stack);
  out.byte(OP.globalGet).u32(stack).byte(OP.i32Const).s32(STACK_WORDS).byte(OP.i32GtS);
  out.byte(OP.if, EMPTY_BLOCK, OP.unreachable, OP.end);
}

function leaveFrame(out: Writer, stack: number, words: number): void {
  out.byte(OP.globalGet).u32(stack).byte(OP.i32Const).s32(words).byte(OP.i32Sub, OP.globalSet).u32(stack);
}
