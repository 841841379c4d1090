import type { Context } from '../coprocessor/context.ts';
import type { ContextWitness, CoreParts } from '../coprocessor/parts.ts';
import { checksum } from '../memory/context-image.ts';
import { BrokenLawError } from './decisions.ts';

const LAW = 'a loaded context is bit-identical to the saved one';

/** What a context was when it left: a digest of its local memory, its globals, and its registers. */
interface Saved {
  readonly memory: number;
  readonly globals: string;
  readonly registers: Int32Array;
}

/**
 * A model of every context that is not in a coprocessor, kept beside the images and compared with what a
 * coprocessor really holds once the context has come back. Fresh contexts of one firmware are all alike.
 */
export function contextModel(): ContextWitness {
  const saved = new WeakMap<SharedArrayBuffer, Saved>();
  const first = new Map<string, Saved>();
  return {
    leaves(core, context) {
      saved.set(context.spec.image, observe(core, context));
    },
    arrived(core, context, fresh) {
      const now = observe(core, context);
      const { digest } = context.spec.firmware;
      const before = fresh ? first.get(digest) : saved.get(context.spec.image);
      if (before === undefined) {
        if (!fresh)
          throw new BrokenLawError(LAW, `context ${context.slot} on ${core.spec.id} was never saved`);
        first.set(digest, now);
        return;
      }
      const broken = difference(core, before, now);
      if (broken === undefined) return;
      throw new BrokenLawError(LAW, `context ${context.slot} on ${core.spec.id}: ${broken} differ`);
    },
  };
}

/** Registers that its guest may write while the context is away are its guest's; all others are as they were. */
function difference(core: CoreParts, before: Saved, now: Saved): string | undefined {
  if (before.memory !== now.memory) return 'bytes of its local memory';
  if (before.globals !== now.globals) return 'its globals';
  const changed = core.platform.registers.find(
    ({ away, offset }) => away !== 'latched' && before.registers[offset >> 2] !== now.registers[offset >> 2],
  );
  return changed?.name;
}

function observe(core: CoreParts, { spec, firmware }: Context): Saved {
  const globals = new DataView(new ArrayBuffer(firmware.firstGlobals.byteLength));
  firmware.instance.saveGlobals(globals);
  return {
    memory: checksum(new Int32Array(spec.local.buffer)),
    globals: Buffer.from(globals.buffer).toString('hex'),
    registers: core.window.slice(),
  };
}
