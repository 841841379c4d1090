import type { Instant } from '../base/units.ts';
import type { CommandDump, ContextDump, CrashDump, QueueDump, RingDump } from '../contract/crash-dump.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import type { Platform } from '../contract/platform.ts';
import type { ChannelMemory, QueueSpec } from '../contract/port.ts';
import { ContextImage, IMAGE_STATE } from '../memory/context-image.ts';
import { PAGE_BYTES } from '../memory/guest-ram.ts';
import { livePages } from '../memory/live-pages.ts';
import { viewRing, type RingView } from '../memory/ring-view.ts';
import type { Vcoproc } from './vcoproc.ts';

/** Local memory that a dump has room for, in pages: 16 MiB. */
const MOST_PAGES = (16 * 1024 * 1024) / PAGE_BYTES;

const IMAGE_STATES = {
  [IMAGE_STATE.fresh]: 'fresh',
  [IMAGE_STATE.saved]: 'saved',
  [IMAGE_STATE.away]: 'away',
} as const;

/** The coprocessor that is dumped. */
interface Scene {
  readonly now: Instant;
  readonly runtime: CrashDump['runtime'];
  readonly coproc: CrashDump['coproc'];
  readonly platform: Platform;
  readonly channel: ChannelMemory;
  readonly vcoprocs: readonly Vcoproc[];
}

/** A copy of what is there now. `loaded`: the window shows the registers of `vcoproc`. */
export function crashDump(
  { now, runtime, coproc, platform, channel, vcoprocs }: Scene,
  vcoproc: Vcoproc | undefined,
  loaded: boolean,
  reason: string,
): CrashDump {
  return {
    at: now,
    runtime,
    reason,
    coproc,
    vcoprocs: vcoprocs.map(({ report, parameters }) => ({ ...report, parameters })),
    rings: {
      control: indices(viewRing(channel.control)),
      events: indices(viewRing(channel.events)),
      posted: indices(viewRing(channel.posted)),
    },
    context:
      vcoproc === undefined
        ? null
        : contextDump(vcoproc, platform, loaded ? new Int32Array(channel.window) : undefined),
  };
}

function contextDump(
  { name, context }: Vcoproc,
  platform: Platform,
  window: Int32Array | undefined,
): ContextDump {
  const { firmware, local } = context;
  const image = new ContextImage(context.image, firmware);
  const registers = window ?? image.registers;
  const front = image.frontEnd;
  const pages = livePages(new Uint8Array(local.buffer), MOST_PAGES);
  return {
    vcoproc: name,
    firmware: { name: firmware.name, sha256: firmware.sha256, digest: firmware.digest },
    from: window === undefined ? 'image' : 'window',
    image: IMAGE_STATES[image.state as keyof typeof IMAGE_STATES] ?? 'away',
    registers: platform.registers.map(({ name: register, offset }) => ({
      name: register,
      offset,
      value: Atomics.load(registers, offset >> 2) >>> 0,
    })),
    globals: globalsOf(firmware, image),
    active: front.active ? { queue: front.queue, sequence: front.sequence } : null,
    commandAddress: firmware.commandAddress,
    pending: Array.from(image.pending, (count, line) => ({ line, count })).filter(({ count }) => count > 0),
    queues: context.queues.map(queueDump),
    memory: { size: local.buffer.byteLength, ...pages },
  };
}

function globalsOf({ globals }: FirmwareImage, image: ContextImage): ContextDump['globals'] {
  return globals.map(({ type }, place) => {
    const wide = image.globals.getBigInt64(8 * place, true);
    if (type === 'i64') return { type, value: String(wide) };
    if (type === 'i32') return { type, value: String(image.globals.getInt32(8 * place, true)) };
    const bits = BigInt.asUintN(type === 'f64' ? 64 : 32, wide);
    return { type, value: `0x${bits.toString(16).padStart(type === 'f64' ? 16 : 8, '0')}` };
  });
}

function queueDump({ index, memory: { commands, completions } }: QueueSpec): QueueDump {
  const ring = viewRing(commands);
  return {
    index,
    commands: indices(ring),
    completions: indices(viewRing(completions)),
    unfetched: ring.waiting.map((words): CommandDump => ({
      sequence: words[0]!,
      op: words[1]!,
      args: [...words.subarray(2)],
    })),
  };
}

const indices = ({ capacity, head, tail }: RingView): RingDump => ({ capacity, head, tail });
