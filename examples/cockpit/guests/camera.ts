import { encode } from 'fast-png';
import { ms } from '../../../src/base/units.ts';
import type { GuestDomain, GuestProgram, Verdict } from '../../../src/contract/guest.ts';
import { overlay } from './camera/overlay.ts';
import { crop, readPicture, scaledDown } from './camera/picture.ts';
import { type Corner, type Picture, cornersOf, edgesOf, gradientOf } from './camera/reference.ts';
import { CROWDED, type LaneProgress, type Sight, type VisionSettings, openLane } from './camera/vision.ts';

/**
 * Camera: finds edges and corners on the shared DSP (firmware `vision`) in the frames of a camera that pans over
 * a photograph, or over the user's own PNG.
 *
 * `extra`: `frames=10` of `width=480` by `height=320` pixels, `outstanding=2` frames at a time; edges from
 * gradient `low=60` and `high=140`; the strongest `corners=200` that score `threshold=2000`; a frame with more
 * than `alarm=250` raises an interrupt.
 * Writes `overlay-000.png` and on, and `corners.csv`.
 */
export default { main } satisfies GuestProgram;

/** The camera pans over a picture of at most this many pixels a side. */
const LONGEST_SIDE = 1024;
const LARGEST = 0x7fff_ffff;

async function main(domain: GuestDomain): Promise<void> {
  const frames = panOver(look(domain), {
    count: argument(domain, 'frames', 10, 999),
    width: argument(domain, 'width', 480, LONGEST_SIDE),
    height: argument(domain, 'height', 320, LONGEST_SIDE),
  });
  const high = argument(domain, 'high', 140, 2047);
  const settings: VisionSettings = {
    low: argument(domain, 'low', Math.min(60, high), high),
    high,
    threshold: argument(domain, 'threshold', 2000, LARGEST),
    capacity: argument(domain, 'corners', 200, 1024),
    alarm: argument(domain, 'alarm', 250, LARGEST),
  };
  const dsp = domain.coproc('dsp0');
  const progress: Progress = (domain.resumed as Progress | undefined) ?? {
    alarms: 0,
    next: 0,
    sights: [],
    lanes: undefined,
  };
  domain.onCheckpoint(() => progress);
  dsp.onInterrupt((number) => {
    if (number !== CROWDED) return;
    progress.alarms++;
    domain.log(`alarm ${progress.alarms}: more than ${settings.alarm} corners`);
  });

  const sights = await see(domain, frames, argument(domain, 'outstanding', 2, 16), settings, progress);
  const crowded = sights.filter(({ found }) => found > settings.alarm).length;
  // An interrupt may come after the completion of the command that raised it.
  for (let patience = 100; progress.alarms < crowded && patience > 0; patience--) await domain.sleep(ms(1));

  domain.write('corners.csv', new TextEncoder().encode(cornersCsv(sights)));
  domain.verify('edges and corners equal the reference', () => {
    // Drawn here, because encoding a PNG would hold up every other domain.
    frames.forEach((frame, index) => {
      const { edges, corners } = sights[index]!;
      const { width, height } = frame;
      const file = `overlay-${String(index).padStart(3, '0')}.png`;
      domain.write(file, encode({ width, height, channels: 3, data: overlay(frame, edges, corners) }));
    });
    return compare(frames, sights, settings);
  });
  domain.verify('one interrupt for each crowded frame', () => ({
    ok: progress.alarms === crowded,
    detail: `${progress.alarms} interrupts, ${crowded} of ${frames.length} frames with more than ${settings.alarm} corners`,
  }));
}

/** What the camera looks at. */
function look(domain: GuestDomain): Picture {
  const { name, bytes } = domain.input ?? {
    name: 'coffee.png',
    bytes: domain.asset('assets/camera/coffee.png'),
  };
  const picture = readPicture(name, bytes);
  const scene = scaledDown(picture, LONGEST_SIDE);
  const size = ({ width, height }: Picture): string => `${width} x ${height}`;
  domain.log(`${name}: ${size(picture)}${scene === picture ? '' : `, scaled down to ${size(scene)}`}`);
  return scene;
}

/** A window that moves from left to right and, on the way, from top to bottom and back. */
function panOver(scene: Picture, window: { count: number; width: number; height: number }): Picture[] {
  const { count, width, height } = window;
  const [freeX, freeY] = [Math.max(0, scene.width - width), Math.max(0, scene.height - height)];
  const last = Math.max(1, count - 1);
  return Array.from({ length: count }, (_, index) => {
    const left = Math.floor((freeX * index) / last);
    const top = Math.floor((freeY * (last - Math.abs(last - 2 * index))) / last);
    return crop(scene, left, top, width, height);
  });
}

/** How far it is, for a checkpoint. */
interface Progress {
  alarms: number;
  /** The next frame that nobody has. */
  next: number;
  readonly sights: Sight[];
  /** Who has which frame; those that are through have none. Absent: nobody has begun. */
  lanes: ({ readonly lane: LaneProgress; frame: number | undefined } | undefined)[] | undefined;
}

/** Hands the frames to the DSP, several at a time. */
async function see(
  domain: GuestDomain,
  frames: readonly Picture[],
  outstanding: number,
  settings: VisionSettings,
  progress: Progress,
): Promise<Sight[]> {
  const dsp = domain.coproc('dsp0');
  const pixels = Math.max(...frames.map(({ width, height }) => width * height));
  const before = progress.lanes;
  const lanes: NonNullable<Progress['lanes']> = [];
  progress.lanes = lanes;
  const again = dsp.outstanding();
  const { sights } = progress;
  const work = async (place: number): Promise<void> => {
    const found = before?.[place];
    if (before !== undefined && found === undefined) return;
    const lane = openLane(domain, dsp, pixels, settings, found?.lane);
    const own = { lane: lane.progress, frame: found?.frame };
    lanes[place] = own;
    let underWay = own.frame !== undefined;
    while (underWay || progress.next < frames.length) {
      const index: number = underWay ? own.frame! : progress.next++;
      own.frame = index;
      const sight = await lane.look(frames[index]!, underWay ? again : undefined);
      underWay = false;
      domain.log(`frame ${index}: ${sight.edgePixels} edge pixels, ${sight.found} corners`);
      sights[index] = sight;
    }
    lanes[place] = undefined;
    await lane.close();
  };
  const count = before?.length ?? Math.min(outstanding, frames.length);
  await Promise.all(Array.from({ length: count }, (_, place) => work(place)));
  return sights;
}

function compare(frames: readonly Picture[], sights: readonly Sight[], settings: VisionSettings): Verdict {
  const { low, high, threshold, capacity } = settings;
  const same = frames.filter((frame, index) => {
    const { edges, edgePixels, corners, found } = sights[index]!;
    const gradient = gradientOf(frame);
    const expectedEdges = edgesOf(gradient, low, high);
    const expectedCorners = cornersOf(gradient, threshold);
    return (
      edgePixels === expectedEdges.filter((edge) => edge === 255).length &&
      found === expectedCorners.length &&
      corners.length === Math.min(capacity, found) &&
      corners.every((corner, place) => isSame(corner, expectedCorners[place]!)) &&
      edges.every((edge, pixel) => edge === expectedEdges[pixel])
    );
  }).length;
  const corners = sights.reduce((sum, { found }) => sum + found, 0);
  return {
    ok: same === frames.length,
    detail: `${same} of ${frames.length} frames bit-identical, ${corners} corners`,
  };
}

const isSame = (a: Corner, b: Corner): boolean => a.x === b.x && a.y === b.y && a.score === b.score;

function cornersCsv(sights: readonly Sight[]): string {
  const lines = sights.flatMap(({ corners }, frame) =>
    corners.map(({ x, y, score }) => `${frame},${x},${y},${score}\n`),
  );
  return `frame,x,y,score\n${lines.join('')}`;
}

/** A positive whole number of the domain file. */
function argument(domain: GuestDomain, name: string, fallback: number, most: number): number {
  const text = domain.args[name];
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new Error(`extra: ${name}=${text} is not an integer from 1 to ${most}`);
  }
  return value;
}
