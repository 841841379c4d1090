import { encode } from 'fast-png';
import type {
  Completion,
  GuestDomain,
  GuestFile,
  GuestProgram,
  Verdict,
} from '../../../src/contract/guest.ts';
import { type Decoder, type DecoderProgress, type Photo, openDecoder } from './media/decoder.ts';
import { decodeReference } from './media/reference.ts';

/**
 * Media: decodes photographs on the shared DSP (firmware `jpeg`), or the user's own JPEG.
 *
 * `extra`: `repeat=4` times each, all of them at a time.
 * Writes `decoded-<name>.png`.
 */
export default { main } satisfies GuestProgram;

const PHOTOS = ['rocket.jpg', 'retina.jpg', 'chelsea-progressive.jpg'];

/**
 * The reference rounds once, after an exact transform; the firmware's fixed-point transform may be one level off
 * in each sample (T.81 leaves the transform's accuracy to the decoder, ISO 10918-2 tests it). The colour matrix
 * weights luma with 1 and a colour difference with up to 1.772: at most three levels of a colour.
 */
const PEAK = 3;
/** Such samples are rare, so on average there is hardly a difference. */
const MEAN = 0.05;

interface Decoded {
  readonly photo: Photo;
  readonly pixels: Uint8Array;
  readonly warnings: number;
  /** Later decodings that gave other bits. */
  readonly changed: number;
}

/** How often a photo was decoded, and what came of it. */
interface Rounds {
  done: number;
  pixels: Uint8Array | undefined;
  warnings: number;
  changed: number;
}

/** How far it is, for a checkpoint: one of each for each file that was begun with. */
interface Progress {
  readonly decoders: DecoderProgress[];
  readonly rounds: Rounds[];
}

async function main(domain: GuestDomain): Promise<void> {
  const repeat = repeats(domain);
  const files: readonly GuestFile[] =
    domain.input === undefined
      ? PHOTOS.map((name) => ({ name, bytes: domain.asset(`assets/photos/${name}`) }))
      : [domain.input];
  const dsp = domain.coproc('dsp0');
  // One file at a time opens, so that the domain's memory never depends on the order of completions.
  const progress: Progress = (domain.resumed as Progress | undefined) ?? { decoders: [], rounds: [] };
  domain.onCheckpoint(() => progress);
  const again = dsp.outstanding();
  const decoders: Decoder[] = [];
  for (const [place, file] of files.entries()) {
    const own = (progress.decoders[place] ??= { places: [], found: undefined });
    // A file that was being opened when the system was saved had the only command.
    const pending = own.found === undefined ? again.shift()?.completion : undefined;
    decoders.push(await openDecoder(domain, dsp, file, own, pending));
  }
  const decoded = await Promise.all(
    decoders.map((decoder, place) => {
      const rounds = (progress.rounds[place] ??= { done: 0, pixels: undefined, warnings: 0, changed: 0 });
      return decodeOften(decoder, repeat, rounds, again.find(decoder.owns)?.completion);
    }),
  );
  for (const decoder of decoders) await decoder.close();

  for (const { photo, warnings } of decoded) {
    const { name, width, height, isProgressive } = photo;
    const damage = warnings === 0 ? '' : `, damaged in ${warnings} places`;
    domain.log(`${name}: ${width} x ${height}, ${isProgressive ? 'progressive' : 'sequential'}${damage}`);
  }
  for (const one of decoded) {
    domain.verify(`${one.photo.name} agrees with the reference decoder`, () => {
      const { width, height, name } = one.photo;
      const file = `decoded-${name.replace(/^.*[/\\]/, '').replace(/\.[^.]*$/, '')}.png`;
      domain.write(file, encode({ width, height, channels: 3, data: one.pixels }));
      return compare(one, repeat);
    });
  }
}

async function decodeOften(
  decoder: Decoder,
  repeat: number,
  rounds: Rounds,
  again: Promise<Completion> | undefined,
): Promise<Decoded> {
  for (let pending = again; rounds.done < repeat; pending = undefined) {
    const { warnings } = await decoder.decode(pending);
    if (rounds.pixels === undefined) {
      rounds.pixels = decoder.pixels.slice();
      rounds.warnings = warnings;
    } else if (Buffer.compare(decoder.pixels, rounds.pixels) !== 0) rounds.changed++;
    rounds.done++;
  }
  const { pixels, warnings, changed } = rounds;
  return { photo: decoder.photo, pixels: pixels!, warnings, changed };
}

/** How far the decoded picture is from the reference. */
function compare({ photo, pixels, warnings, changed }: Decoded, repeat: number): Verdict {
  if (changed > 0) return { ok: false, detail: `${changed} of ${repeat} decodings gave other bits` };
  if (warnings > 0)
    return { ok: false, detail: `the file is damaged in ${warnings} places: nothing to compare with` };
  const { rgb, width, height } = decodeReference(photo.jpeg);
  if (width !== photo.width || height !== photo.height)
    return { ok: false, detail: `${photo.width} x ${photo.height} instead of ${width} x ${height} pixels` };
  let peak = 0;
  let sum = 0;
  for (let at = 0; at < rgb.length; at++) {
    const difference = Math.abs(rgb[at]! - pixels[at]!);
    peak = Math.max(peak, difference);
    sum += difference;
  }
  const mean = sum / rgb.length;
  return {
    ok: peak <= PEAK && mean <= MEAN,
    detail: `${width} x ${height}, ${repeat === 1 ? 'once' : `${repeat} times`}: largest difference ${peak} of 255 (allowed ${PEAK}), mean ${mean.toFixed(4)}`,
  };
}

function repeats({ args }: GuestDomain): number {
  const text = args['repeat'] ?? '4';
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 10_000)
    throw new Error(`extra: repeat=${text} is not an integer from 1 to 10000`);
  return value;
}
