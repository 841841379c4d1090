import type {
  Command,
  Completion,
  GuestBuffer,
  GuestCoproc,
  GuestDomain,
  OutstandingCommand,
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

/** How far a lane is, for a checkpoint: where its memory is, and what was answered of the frame under way. */
export interface LaneProgress {
  readonly places: readonly { readonly address: number; readonly iova: number }[];
  edges: Completion | undefined;
  corners: Completion | undefined;
}

/** Guest memory for one frame at a time. */
export interface Lane {
  readonly progress: LaneProgress;
  /**
   * Finds edges and corners of a frame of at most the lane's size: two commands at once. `again`: the frame is
   * under way since before a resume, and these commands may be its.
   */
  look(frame: Picture, again?: readonly OutstandingCommand[]): Promise<Sight>;
  /** Gives the memory back. */
  close(): Promise<void>;
}

/** Takes memory for a lane, or finds that of one that was saved. */
export function openLane(
  domain: GuestDomain,
  dsp: GuestCoproc,
  pixels: number,
  settings: VisionSettings,
  before?: LaneProgress,
): Lane {
  const sizes = [
    [4 * pixels, 'read'],
    [pixels, 'read-write'],
    // A row of odd width takes one byte more, and a frame has at most as many rows as pixels.
    [2 * pixels, 'read-write'],
    [settings.capacity * ENTRY_BYTES, 'write'],
  ] as const;
  const places = sizes.map(([bytes, rights], place) => {
    const found = before?.places[place];
    if (found !== undefined) return { buffer: domain.memory.at(found.address), iova: found.iova };
    const buffer = domain.memory.allocate(bytes);
    return { buffer, iova: dsp.map(buffer, rights) };
  });
  const [frameAt, edgesAt, scratchAt, listAt] = places as [Place, Place, Place, Place];
  const { low, high, capacity, threshold, alarm } = settings;
  const progress: LaneProgress = {
    places: places.map(({ buffer, iova }) => ({ address: buffer.address, iova })),
    edges: before?.edges,
    corners: before?.corners,
  };

  return {
    progress,
    async look(frame, again) {
      if (again === undefined) {
        frameAt.buffer.bytes.set(frame.data);
        progress.edges = progress.corners = undefined;
      }
      const answer = async (what: 'edges' | 'corners', command: Required<Command>): Promise<Completion> => {
        const pending = again?.find(
          (other) => other.command.op === command.op && other.command.args[0] === frameAt.iova,
        );
        return (progress[what] ??= await run(dsp, command, pending?.completion));
      };
      const source = [frameAt.iova, frame.width, frame.height];
      const [edgesDone, cornersDone] = await Promise.all([
        answer('edges', { op: EDGES, args: [...source, edgesAt.iova, scratchAt.iova, low, high] }),
        answer('corners', {
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
      for (const { buffer, iova } of places) {
        await dsp.unmap(iova);
        domain.memory.free(buffer);
      }
    },
  };
}

interface Place {
  readonly buffer: GuestBuffer;
  readonly iova: number;
}

/** `pending`: the command is under way already. */
async function run(dsp: GuestCoproc, command: Command, pending?: Promise<Completion>): Promise<Completion> {
  const completion = await (pending ?? dsp.submit(command));
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
