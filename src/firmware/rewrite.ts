import { InvariantError } from '../base/assert.ts';
import type { FirmwareGlobal } from '../contract/firmware.ts';
import { RESERVED } from './abi.ts';
import { OP, VALUE_TYPE_BYTES } from './instructions.ts';
import { Reader, refuse } from './reader.ts';
import type { BodyContext } from './rewrite-body.ts';
import { rewriteBody } from './rewrite-body.ts';
import type { FunctionType, WasmModule } from './wasm-module.ts';
import { SECTION, SECTION_ORDER } from './wasm-module.ts';
import { Writer } from './writer.ts';

/** Exported name of the fuel that a metered firmware has left, an i32. */
export const FUEL = `${RESERVED}fuel`;
/** Exported name of the call stack that a metered firmware uses, in words, an i32. */
export const STACK = `${RESERVED}stack`;
/** Fuel for a module's start function, which runs before anybody can refuel: about 10 ms of work. */
const START_FUEL = 10_000_000;

const MUTABLE = 1;
const FUNCTION_KIND = 0;
const MEMORY_KIND = 2;
const GLOBAL_KIND = 3;
const SHARED_WITH_MAXIMUM = 3;
const MOST_PAGES = 65536;

export interface Rewritten {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly globals: readonly FirmwareGlobal[];
}

/**
 * Rewrites a valid module for the world switch. Every mutable global is exported, so that a context can
 * hold it. A mutable f32 or f64 is kept as its bits in an i32 or i64: a NaN that passes through a
 * JavaScript number may lose bits. Local memory becomes shared, so that the hypervisor owns it and a
 * context outlives its coprocessor's thread. `memory.grow` fails unless by nothing, and never detaches the buffer
 * that the host looks through. With `metered`, instructions are charged to a fuel global.
 */
export function rewriteModule(module: WasmModule, metered: boolean): Rewritten {
  const globals: FirmwareGlobal[] = [];
  const rawGlobals = new Map<number, 'f32' | 'f64'>();
  module.globals.forEach(({ type, mutable }, index) => {
    if (!mutable || type === 'v128' || type === 'funcref' || type === 'externref') return;
    globals.push({ index, type, exportName: `${RESERVED}global:${index}` });
    if (type === 'f32' || type === 'f64') rawGlobals.set(index, type);
  });
  const fuel = module.globals.length;
  const meter = metered ? { fuel, stack: fuel + 1 } : undefined;
  const addedTypes: FunctionType[] = [];
  const context: BodyContext = {
    module,
    rawGlobals,
    meter,
    typeOfResults: (results) => findOrAddType(module.types, addedTypes, results),
  };

  const code = new Writer().u32(module.bodies.length);
  module.bodies.forEach((_, index) => code.sized(rewriteBody(context, index)));

  const changed = new Map<number, Uint8Array>([
    [SECTION.type, typeSection(module, addedTypes)],
    [SECTION.import, importSection(module)],
    [SECTION.global, globalSection(module, rawGlobals, metered)],
    [SECTION.export, exportSection(module, globals, meter)],
    [SECTION.code, code.bytes],
  ]);
  const out = new Writer().byte(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
  for (const id of SECTION_ORDER) {
    const place = module.sections.get(id);
    const content = changed.get(id) ?? (place && module.bytes.subarray(place.start, place.end));
    if (content !== undefined) out.byte(id).sized(content);
  }
  return { bytes: out.bytes, globals };
}

function findOrAddType(
  types: readonly FunctionType[],
  added: FunctionType[],
  results: FunctionType['results'],
): number {
  const wanted = results.join();
  const same = (type: FunctionType): boolean => type.params.length === 0 && type.results.join() === wanted;
  const known = types.findIndex(same);
  if (known >= 0) return known;
  const place = added.findIndex(same);
  if (place >= 0) return types.length + place;
  added.push({ params: [], results });
  return types.length + added.length - 1;
}

/** The entries of a section as they stand, after a new count. */
function withEntries(module: WasmModule, id: number, more: number): Writer {
  const place = module.sections.get(id);
  if (place === undefined) return new Writer().u32(more);
  const section = new Reader(module.bytes, place.start, place.end);
  const count = section.u32();
  return new Writer().u32(count + more).raw(module.bytes.subarray(section.at, place.end));
}

function typeSection(module: WasmModule, added: readonly FunctionType[]): Uint8Array {
  const out = withEntries(module, SECTION.type, added.length);
  for (const { results } of added) {
    out.byte(0x60, 0).u32(results.length);
    for (const type of results) out.byte(VALUE_TYPE_BYTES[type]);
  }
  return out.bytes;
}

/** The same imports, but for the memory: shared, and with a maximum, as a shared one must have. */
function importSection(module: WasmModule): Uint8Array {
  const out = new Writer().u32(module.imports.length);
  for (const entry of module.imports) {
    out.text(entry.module).text(entry.name);
    if (entry.kind === 'function') out.byte(FUNCTION_KIND).u32(entry.typeIndex);
    else if (entry.kind === 'memory') {
      const { minimum, maximum = MOST_PAGES } = entry.limits;
      out.byte(MEMORY_KIND, SHARED_WITH_MAXIMUM).u32(minimum).u32(maximum);
    } else throw new InvariantError(`the ABI allows no import of a ${entry.kind}`);
  }
  return out.bytes;
}

function globalSection(
  module: WasmModule,
  rawGlobals: ReadonlyMap<number, 'f32' | 'f64'>,
  metered: boolean,
): Uint8Array {
  const out = new Writer().u32(module.globals.length + (metered ? 2 : 0));
  module.globals.forEach(({ type, mutable, start, end }, index) => {
    const raw = rawGlobals.get(index);
    if (raw === undefined) {
      out.byte(VALUE_TYPE_BYTES[type], mutable ? MUTABLE : 0).raw(module.bytes.subarray(start, end));
      return;
    }
    // An opcode and the bits of the constant, little-endian.
    if (module.bytes[start] !== (raw === 'f32' ? OP.f32Const : OP.f64Const))
      refuse(`has the global ${index} of type ${raw} whose initial value is no constant; give it one`);
    const bits = new DataView(module.bytes.buffer, module.bytes.byteOffset + start + 1, end - start - 2);
    if (raw === 'f32') out.byte(VALUE_TYPE_BYTES.i32, MUTABLE, OP.i32Const).s32(bits.getInt32(0, true));
    else out.byte(VALUE_TYPE_BYTES.i64, MUTABLE, OP.i64Const).s64(bits.getBigInt64(0, true));
    out.byte(OP.end);
  });
  if (metered) {
    out.byte(VALUE_TYPE_BYTES.i32, MUTABLE, OP.i32Const).s32(START_FUEL).byte(OP.end);
    out.byte(VALUE_TYPE_BYTES.i32, MUTABLE, OP.i32Const).s32(0).byte(OP.end);
  }
  return out.bytes;
}

function exportSection(
  module: WasmModule,
  globals: readonly FirmwareGlobal[],
  meter: BodyContext['meter'],
): Uint8Array {
  const out = withEntries(module, SECTION.export, globals.length + (meter === undefined ? 0 : 2));
  for (const { exportName, index } of globals) out.text(exportName).byte(GLOBAL_KIND).u32(index);
  if (meter !== undefined) {
    out.text(FUEL).byte(GLOBAL_KIND).u32(meter.fuel);
    out.text(STACK).byte(GLOBAL_KIND).u32(meter.stack);
  }
  return out.bytes;
}
