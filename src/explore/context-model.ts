import type { MemorySource } from '../contract/port.ts';
import type { Context, LoadedFirmware } from '../coprocessor/context.ts';
import type { ContextWitness, CoreParts } from '../coprocessor/parts.ts';
import { BrokenLawError } from './decisions.ts';

const LAW = 'a loaded context is bit-identical to the saved one';

/** What a context was when it left: its local memory, its globals and its registers, byte by byte. */
interface Saved {
  readonly memory: Uint8Array;
  readonly globals: DataView;
  readonly registers: Int32Array;
}

/**
 * A model of every context that is not in a coprocessor, kept beside the images and compared with what a
 * coprocessor really holds once the context has come back. Fresh contexts of one firmware on one kind of coprocessor
 * are all alike. The copies are the run's own memory: new ones for each run have the collector look at the whole heap
 * every hundred runs, and forget the optimised code of whoever is not at work then.
 */
export function contextModel(source: MemorySource): ContextWitness {
  const saved = new WeakMap<SharedArrayBuffer, Saved>();
  const first = new Map<string, Saved>();
  return {
    leaves(core, context) {
      const before = saved.get(context.spec.image);
      if (before === undefined) saved.set(context.spec.image, copyOf(core, context, source));
      else observe(core, context, before);
    },
    arrived(core, context, fresh) {
      const kind = `${core.platform.compatible} ${context.spec.firmware.digest}`;
      const before = fresh ? first.get(kind) : saved.get(context.spec.image);
      if (before === undefined) {
        if (!fresh)
          throw new BrokenLawError(LAW, `context ${context.slot} on ${core.spec.id} was never saved`);
        first.set(kind, copyOf(core, context, source));
        return;
      }
      const broken = difference(core, context, before);
      if (broken === undefined) return;
      throw new BrokenLawError(LAW, `context ${context.slot} on ${core.spec.id}: ${broken} differ`);
    },
  };
}

/** Registers that its guest may write while the context is away are its guest's; all others are as they were. */
function difference(core: CoreParts, { spec, firmware }: Context, before: Saved): string | undefined {
  if (!same(before.memory, new Uint8Array(spec.local.buffer))) return 'bytes of its local memory';
  const globals = emptyGlobals(firmware);
  firmware.instance.saveGlobals(globals);
  if (!same(bytesOf(before.globals), bytesOf(globals))) return 'its globals';
  const changed = core.platform.registers.find(
    ({ away, offset }) => away !== 'latched' && before.registers[offset >> 2] !== core.window[offset >> 2],
  );
  return changed?.name;
}

function copyOf(core: CoreParts, context: Context, source: MemorySource): Saved {
  const copy = {
    memory: new Uint8Array(source.shared(context.spec.local.buffer.byteLength)),
    globals: emptyGlobals(context.firmware),
    registers: new Int32Array(source.shared(core.window.byteLength)),
  };
  observe(core, context, copy);
  return copy;
}

function observe(core: CoreParts, { spec, firmware }: Context, into: Saved): void {
  into.memory.set(new Uint8Array(spec.local.buffer));
  firmware.instance.saveGlobals(into.globals);
  into.registers.set(core.window);
}

const emptyGlobals = ({ firstGlobals }: LoadedFirmware): DataView =>
  new DataView(new ArrayBuffer(firstGlobals.byteLength));

const bytesOf = ({ buffer, byteOffset, byteLength }: DataView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
