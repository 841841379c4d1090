import type {
  Completion,
  GuestBuffer,
  GuestCoproc,
  GuestDomain,
  GuestFile,
  OutstandingCommand,
} from '../../../../src/contract/guest.ts';

/** The firmware `jpeg`: its operations, and what its error codes mean. See its `firmware.ts` and `errors.ts`. */
const PROBE = 1;
const DECODE = 2;
const RGB = 3;

const ERRORS: Readonly<Record<number, string>> = {
  [-2]: 'not a JPEG file; give a JPEG',
  [-3]: 'a coding that the firmware does not know (arithmetic, lossless or 12-bit); save it as baseline or progressive',
  [-4]: 'its headers are damaged; save it again',
  [-5]: 'it ends before its picture begins; give the whole file',
  [-8]: 'more scans than a picture has; save it again',
};

export interface Photo {
  readonly name: string;
  readonly jpeg: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly isProgressive: boolean;
}

/** A photo with the buffers that its decoding needs, mapped for the DSP. */
export interface Decoder {
  readonly photo: Photo;
  /**
   * Decodes once. Throws an `Error` of one line that names the file when that fails. `again`: the decoding is under
   * way since before a resume.
   */
  decode(again?: Promise<Completion>): Promise<{ warnings: number }>;
  /** Whether a command is this decoder's. */
  owns(command: OutstandingCommand): boolean;
  /** The picture that `decode` left, 3 bytes a pixel, in memory shared with the DSP. */
  readonly pixels: Uint8Array<SharedArrayBuffer>;
  close(): Promise<void>;
}

/** How far the opening of a decoder is, for a checkpoint: its buffers, and what the firmware said of the file. */
export interface DecoderProgress {
  readonly places: { readonly address: number; readonly iova: number }[];
  found: readonly number[] | undefined;
}

/**
 * Asks the firmware what `file` is and takes the memory to decode it. Throws as `decode` does. `progress` is filled on
 * the way; one that was saved is gone on with, and `again` is then what was under way.
 */
export async function openDecoder(
  domain: GuestDomain,
  dsp: GuestCoproc,
  file: GuestFile,
  progress: DecoderProgress,
  again?: Promise<Completion>,
): Promise<Decoder> {
  const { name, bytes: jpeg } = file;
  if (jpeg.length === 0) throw new Error(`${name}: the file is empty; give a JPEG`);
  const mapped: { buffer: GuestBuffer; iova: number }[] = [];
  const allocate = (size: number, rights: 'read' | 'write' | 'read-write') => {
    const before = progress.places[mapped.length];
    const buffer = before === undefined ? domain.memory.allocate(size) : domain.memory.at(before.address);
    const entry = { buffer, iova: before?.iova ?? dsp.map(buffer, rights) };
    mapped.push(entry);
    if (before === undefined) progress.places.push({ address: buffer.address, iova: entry.iova });
    return entry;
  };
  const close = async (): Promise<void> => {
    for (const { buffer, iova } of mapped.splice(0)) {
      await dsp.unmap(iova);
      domain.memory.free(buffer);
    }
  };

  try {
    const input = allocate(jpeg.length, 'read');
    input.buffer.bytes.set(jpeg);
    const compressed = [input.iova, jpeg.length];
    progress.found ??= outcomeOf(name, await (again ?? dsp.submit({ op: PROBE, args: compressed })));
    const [width = 0, height = 0, , progressive = 0, scratchBytes = 0] = progress.found;
    const outputBytes = width * height * RGB;
    const output = allocate(outputBytes, 'write');
    const scratch = allocate(scratchBytes, 'read-write');
    const pixels = output.buffer.bytes.subarray(0, outputBytes);
    const args = [...compressed, output.iova, outputBytes, scratch.iova, scratchBytes, RGB];
    return {
      photo: { name, jpeg, width, height, isProgressive: progressive === 1 },
      pixels,
      async decode(pending) {
        // What an earlier decoding left would hide that this one did nothing.
        if (pending === undefined) pixels.fill(0);
        const [, , , , , warnings = 0] = outcomeOf(name, await (pending ?? dsp.submit({ op: DECODE, args })));
        return { warnings };
      },
      owns: ({ command }) => command.op === DECODE && command.args[0] === input.iova,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function outcomeOf(name: string, { status, reason, results }: Completion): readonly number[] {
  if (status === 'ok') return results;
  const code = Number(/-\d+/.exec(reason ?? '')?.[0]);
  throw new Error(`${name}: ${ERRORS[code] ?? reason ?? status}`);
}
