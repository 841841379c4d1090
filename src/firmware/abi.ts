import { OP } from './instructions.ts';
import { Reader, refuse } from './reader.ts';
import type { FunctionType, WasmExport, WasmModule } from './wasm-module.ts';

/** The version of the ABI that ABI.md describes. */
export const ABI_VERSION = 1;
export const PAGE_BYTES = 65_536;
export const COMMAND_BYTES = 96;
/** Names that start so are Covisor's own: a firmware may not export them. */
export const RESERVED = 'covisor:';

/** Every function a firmware may import, with its type. */
const IMPORTS: Readonly<Record<string, string>> = {
  'env.abort': '(i32, i32, i32, i32) -> ()',
  'coproc.dma_in': '(i32, i32, i32) -> (i32)',
  'coproc.dma_fetch': '(i32, i32, i32) -> (i32)',
  'coproc.dma_out': '(i32, i32, i32) -> (i32)',
  'coproc.dma_fill': '(i32, i32, i32) -> (i32)',
  'coproc.dma_gather': '(i32, i32, i32) -> (i32)',
  'coproc.dma_scatter': '(i32, i32, i32) -> (i32)',
  'coproc.irq': '(i32) -> ()',
  'coproc.reg_get': '(i32) -> (i32)',
  'coproc.reg_set': '(i32, i32) -> ()',
};

const EXPORTS: Readonly<Record<string, string>> = {
  start: '() -> (i32)',
  step: '(i32) -> (i32)',
  quiesce: '() -> (i32)',
};

/** What the ABI check learns of a module. */
export interface AbiFacts {
  readonly memoryPages: number;
  readonly maximumPages: number | undefined;
  readonly commandAddress: number;
  readonly hasQuiesce: boolean;
}

/** Holds a module to the ABI. A refusal says what is wrong and what to do. */
export function checkAbi(module: WasmModule): AbiFacts {
  const memory = checkImports(module);
  const exported = new Map(module.exports.map((entry) => [entry.name, entry]));
  for (const name of exported.keys())
    if (name.startsWith(RESERVED)) refuse(`exports ${name}; names with ${RESERVED} are reserved, rename it`);

  const version = constant(module, exported.get('abi'));
  if (version === undefined)
    refuse(
      `exports no constant "abi"; export an immutable i32 global, or a function that only returns it, with the value ${ABI_VERSION}`,
    );
  if (version !== ABI_VERSION)
    refuse(`was made for ABI ${version}; this Covisor runs ABI ${ABI_VERSION}, build it for that`);
  for (const name of ['start', 'step', 'quiesce']) checkFunction(module, name, exported.get(name));
  checkGlobals(module);

  const commandAddress =
    constant(module, exported.get('command')) ??
    refuse(
      'exports no constant "command"; export an immutable i32 global, or a function that only returns it, with the address of its command block',
    );
  if (commandAddress < 0 || commandAddress % 8 !== 0)
    refuse(`has its command block at ${commandAddress}; place it at a positive multiple of 8`);
  if (commandAddress + COMMAND_BYTES > memory.minimum * PAGE_BYTES)
    refuse(
      `has its command block at ${commandAddress}, outside of the ${memory.minimum} pages of memory that it asks for`,
    );
  return {
    memoryPages: memory.minimum,
    maximumPages: memory.maximum,
    commandAddress,
    hasQuiesce: exported.has('quiesce'),
  };
}

function checkImports(module: WasmModule): { minimum: number; maximum: number | undefined } {
  for (const entry of module.imports) {
    const name = `${entry.module}.${entry.name}`;
    if (name === 'env.memory' && entry.kind === 'memory') continue;
    const wanted = Object.hasOwn(IMPORTS, name) ? IMPORTS[name] : undefined;
    if (wanted === undefined || entry.kind !== 'function')
      refuse(
        `imports the ${entry.kind} ${name}; a coprocessor offers only env.memory, ${Object.keys(IMPORTS).join(', ')}`,
      );
    const type = showType(module.types[entry.typeIndex]);
    if (type !== wanted) refuse(`imports ${name} as ${type}; it is ${wanted}`);
  }
  if (module.ownMemories > 0)
    refuse(
      'has a memory of its own; import local memory as env.memory (asc: --importMemory, wasm-ld: --import-memory)',
    );
  const memories = module.imports.flatMap((entry) => (entry.kind === 'memory' ? [entry.limits] : []));
  const memory = memories[0] ?? refuse('imports no env.memory; local memory is where its context lives');
  if (memories.length > 1) refuse('imports several memories; a coprocessor has one');
  if (memory.shared) refuse('imports a shared memory; local memory is not shared, build it without threads');
  return memory;
}

function checkFunction(module: WasmModule, name: string, entry: WasmExport | undefined): void {
  if (entry === undefined && name === 'quiesce') return;
  const wanted = EXPORTS[name];
  if (entry === undefined) refuse(`exports no function "${name}"; export one of type ${wanted}`);
  const { kind, index } = entry;
  if (kind !== 'function') refuse(`exports "${name}" as a ${kind}; it is a function of type ${wanted}`);
  const type = showType(module.types[module.functions[index] ?? -1]);
  if (type !== wanted) refuse(`exports "${name}" as ${type}; it is ${wanted}`);
}

function checkGlobals(module: WasmModule): void {
  module.globals.forEach(({ type, mutable }, index) => {
    if (mutable && (type === 'v128' || type === 'funcref' || type === 'externref'))
      refuse(
        `has the mutable global ${index} of type ${type}, which no context can hold; keep it in memory instead`,
      );
  });
}

/**
 * The value of an export that is constant: an immutable i32 global with a plain value, or a function that
 * only returns one, because a C or Rust linker exports no values.
 */
function constant(module: WasmModule, entry: WasmExport | undefined): number | undefined {
  if (entry?.kind === 'global') {
    const global = module.globals[entry.index];
    return global === undefined || global.mutable ? undefined : global.constant;
  }
  if (entry?.kind !== 'function') return undefined;
  if (showType(module.types[module.functions[entry.index] ?? -1]) !== '() -> (i32)') return undefined;
  const body = module.bodies[entry.index - (module.functions.length - module.bodies.length)];
  if (body === undefined) return undefined;
  const reader = new Reader(module.bytes, body.start, body.end);
  if (reader.u32() !== 0 || reader.byte() !== OP.i32Const) return undefined;
  const value = reader.s32();
  return reader.byte() === OP.end ? value : undefined;
}

const showType = (type: FunctionType | undefined): string =>
  type === undefined ? 'nothing' : `(${type.params.join(', ')}) -> (${type.results.join(', ')})`;
