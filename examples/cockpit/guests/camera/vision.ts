import type {
  Command,
  Completion,
  GuestBuffer,
  GuestCoproc,
  GuestDomain,
} from '../../../../src/contract/guest.ts';
import type { Corner, Picture } from './reference.ts';

/** The vision firmware as a guest sees it; operations and arguments are those of its source. */

const EDGES = 1;
const CORNERS = 2;
const ENTRY_BYTES = 12;
/** The interrupt of a frame with more corners than the alarm allows. */
export const CROWDED = 2;

export interface VisionSettings {
  /** Lengths of the gradient, 1 to 2047: from `low` on a pixel may be an edge, from `high` on it is. */
  readonly low: number;
  readonly high: number;
  /** The least score of a corner. */
  readonly threshold: number;
  /** Corners in the list at most. */
  readonly capacity: number;
  /** More corners than this in a frame raise the interrupt. */
  readonly alarm: number;
}

/** What the firmware found in one frame. */
export interface Sight {
  /** 255 on an edge, 0 elsewhere. */
  readonly edges: Uint8Array;
  readonly edgePixels: number;
  /** The strongest corners, the strongest first. */
  readonly corners: readonly Corner[];
  /** Corners found, also those that the list had no room for. */
  readonly found: number;
}

/** Guest memory for one frame at a time. */
export interface Lane {
  /** Finds edges and corners of a frame of at most the lane's size: two commands at once. */
  look(frame: Picture): Promise<Sight>;
  /** Gives the memory back. */
  close(): Promise<void>;
}

export function openLane(
  domain: GuestDomain,
  dsp: GuestCoproc,
  pixels: number,
  settings: VisionSettings,
): Lane {
  const place = (bytes: number, rights: 'read' | 'write' | 'read-write') => {
    const buffer = domain.memory.allocate(bytes);
    return { buffer, iova: dsp.map(buffer, rights) };
  };
  const frameAt = place(4 * pixels, 'read');
  const edgesAt = place(pixels, 'read-write');
  // A row of odd width takes one byte more, and a frame has at most as many rows as pixels.
  const scratchAt = place(2 * pixels, 'read-write');
  const listAt = place(settings.capacity * ENTRY_BYTES, 'write');
  const { low, high, capacity, threshold, alarm } = settings;

  return {
    async look(frame) {
      frameAt.buffer.bytes.set(frame.data);
      const source = [frameAt.iova, frame.width, frame.height];
      const [edgesDone, cornersDone] = await Promise.all([
        run(dsp, { op: EDGES, args: [...source, edgesAt.iova, scratchAt.iova, low, high] }),
        run(dsp, {
          op: CORNERS,
          args: [...source, 0, 0, 0, 0, listAt.iova, capacity, threshold, alarm],
        }),
      ]);
      const edges = edgesAt.buffer.bytes.slice(0, frame.width * frame.height);
      const [, listed, found] = cornersDone.results;
      return {
        edges,
        edgePixels: edgesDone.results[0]!,
        corners: readCorners(listAt.buffer, listed!),
        found: found!,
      };
    },
    async close() {
      for (const { buffer, iova } of [frameAt, edgesAt, scratchAt, listAt]) {
        await dsp.unmap(iova);
        domain.memory.free(buffer);
      }
    },
  };
}

async function run(dsp: GuestCoproc, command: Command): Promise<Completion> {
  const completion = await dsp.submit(command);
  if (completion.status !== 'ok') {
    throw new Error(`command ${command.op} on ${dsp.id} ${completion.status}: ${completion.reason}`);
  }
  return completion;
}

function readCorners(list: GuestBuffer, count: number): Corner[] {
  const view = new DataView(list.bytes.buffer, list.bytes.byteOffset, list.size);
  return Array.from({ length: count }, (_, index) => {
    const word = (place: number): number => view.getInt32(index * ENTRY_BYTES + 4 * place, true);
    return { x: word(0), y: word(1), score: word(2) };
  });
}
