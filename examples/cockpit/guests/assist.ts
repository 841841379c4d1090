import { encode } from 'fast-png';
import type {
  Command,
  Completion,
  GuestBuffer,
  GuestCoproc,
  GuestDomain,
  GuestProgram,
  Verdict,
} from '../../../src/contract/guest.ts';
import { CLASSES, type Digits, PIXELS, decodeDigits, picture } from './assist/digits.ts';
import { type Network, argmax, decodeNetwork, infer } from './assist/network.ts';
import { contactSheet } from './assist/sheet.ts';
import { type Classification, accuracyOf, classificationCsv, confusionTable } from './assist/tables.ts';

/**
 * Driver assistance: reads digits with a neural network on the shared GPU (firmware `infer`).
 *
 * `extra`: `samples=512` digits in batches of `batch=8`, `outstanding=4` commands at a time.
 * Writes `classification.csv`, `confusion.txt` and `digits.png`.
 */
export default { main } satisfies GuestProgram;

const [LOAD, CLASSIFY] = [1, 2];
/** A record of the firmware: the label and the logits, 32 bits each. */
const RECORD = 1 + CLASSES;

interface Figures {
  /** Share of the held-out digits that the int8 network reads right, measured by `training/train.ts`. */
  readonly int8: number;
}

async function main(domain: GuestDomain): Promise<void> {
  const networkFile = domain.asset('assets/digits/network.bin');
  const digits = decodeDigits(domain.asset('assets/digits/samples.bin'));
  const figures = JSON.parse(
    new TextDecoder().decode(domain.asset('assets/digits/accuracy.json')),
  ) as Figures;
  const samples = count(domain, 'samples', digits.count, digits.count);
  const batch = count(domain, 'batch', 8, samples);
  const outstanding = count(domain, 'outstanding', 4, 64);

  const gpu = domain.coproc('gpu0');
  const progress: Progress = (domain.resumed as Progress | undefined) ?? { loaded: false };
  domain.onCheckpoint(() => progress);
  // What was under way when the system was saved is awaited where it left off.
  const again = gpu.outstanding().map(({ completion }) => completion);
  if (!progress.loaded) await loadNetwork(domain, gpu, networkFile, progress, again.shift());
  const words = await classify(domain, gpu, digits, { samples, batch, outstanding }, progress, again);

  const results = Array.from({ length: samples }, (_, index): Classification => {
    const record = words.subarray(index * RECORD, (index + 1) * RECORD);
    return { label: digits.labels[index]!, predicted: record[0]!, logits: record.subarray(1) };
  });
  const text = new TextEncoder();
  domain.write('classification.csv', text.encode(classificationCsv(results)));
  domain.write('confusion.txt', text.encode(confusionTable(results)));

  domain.verify('every logit equals the reference', () => {
    const predicted = results.map((result) => result.predicted);
    domain.write('digits.png', encode({ ...contactSheet(digits, predicted), channels: 3 }));
    return sameLogits(decodeNetwork(networkFile), digits, results);
  });
  domain.verify('accuracy is what was measured in training', () => accurate(results, figures.int8));
}

/** A buffer and where the firmware finds it. */
interface Place {
  readonly address: number;
  readonly iova: number;
}

/** How far it is, for a checkpoint. */
interface Progress {
  /** The network, while it is being loaded. */
  loading?: Place;
  loaded: boolean;
  work?: { readonly input: Place; readonly output: Place; next: number };
}

/** The buffer that was there before, or a new one. */
function place(
  domain: GuestDomain,
  gpu: GuestCoproc,
  size: number,
  rights: 'read' | 'write',
  before: Place | undefined,
): { readonly buffer: GuestBuffer; readonly iova: number } {
  if (before !== undefined) return { buffer: domain.memory.at(before.address), iova: before.iova };
  const buffer = domain.memory.allocate(size);
  return { buffer, iova: gpu.map(buffer, rights) };
}

/** Loads the network into the coprocessor, where it stays. */
async function loadNetwork(
  domain: GuestDomain,
  gpu: GuestCoproc,
  file: Uint8Array,
  progress: Progress,
  pending: Promise<Completion> | undefined,
): Promise<void> {
  const { buffer, iova } = place(domain, gpu, file.length, 'read', progress.loading);
  if (pending === undefined) buffer.bytes.set(file);
  progress.loading = { address: buffer.address, iova };
  const [layers] = (await run(gpu, { op: LOAD, args: [iova, file.length] }, pending)).results;
  progress.loaded = true;
  domain.log(`network of ${layers} layers, ${file.length} bytes, is loaded`);
  await gpu.unmap(iova);
  domain.memory.free(buffer);
}

/** Classifies the first samples, several batches at a time. Returns their records. */
async function classify(
  domain: GuestDomain,
  gpu: GuestCoproc,
  digits: Digits,
  { samples, batch, outstanding }: { samples: number; batch: number; outstanding: number },
  progress: Progress,
  again: readonly Promise<Completion>[],
): Promise<Int32Array> {
  const input = place(domain, gpu, samples * PIXELS, 'read', progress.work?.input);
  const output = place(domain, gpu, samples * RECORD * 4, 'write', progress.work?.output);
  input.buffer.bytes.set(digits.pixels.subarray(0, samples * PIXELS));
  const work = (progress.work ??= {
    input: { address: input.buffer.address, iova: input.iova },
    output: { address: output.buffer.address, iova: output.iova },
    next: 0,
  });
  const lane = async (pending: Promise<Completion> | undefined): Promise<void> => {
    if (pending !== undefined) demandOk(gpu, CLASSIFY, await pending);
    while (work.next < samples) {
      const first = work.next;
      const size = Math.min(batch, samples - first);
      work.next += size;
      const args = [input.iova + first * PIXELS, size, output.iova + first * RECORD * 4];
      await run(gpu, { op: CLASSIFY, args });
    }
  };
  await Promise.all(Array.from({ length: outstanding }, (_, place) => lane(again[place])));

  const records = new Int32Array(samples * RECORD);
  new Uint8Array(records.buffer).set(output.buffer.bytes.subarray(0, samples * RECORD * 4));
  await Promise.all([gpu.unmap(input.iova), gpu.unmap(output.iova)]);
  domain.memory.free(input.buffer);
  domain.memory.free(output.buffer);
  return records;
}

/** `pending`: the command is under way already. */
async function run(gpu: GuestCoproc, command: Command, pending?: Promise<Completion>): Promise<Completion> {
  return demandOk(gpu, command.op, await (pending ?? gpu.submit(command)));
}

function demandOk(gpu: GuestCoproc, op: number, completion: Completion): Completion {
  if (completion.status !== 'ok') {
    throw new Error(`command ${op} on ${gpu.id} ${completion.status}: ${completion.reason}`);
  }
  return completion;
}

function sameLogits(network: Network, digits: Digits, results: readonly Classification[]): Verdict {
  const same = results.filter(({ predicted, logits }, index) => {
    const expected = infer(network, picture(digits, index));
    return predicted === argmax(expected) && expected.every((logit, place) => logit === logits[place]);
  }).length;
  return { ok: same === results.length, detail: `${same} of ${results.length} samples bit-identical` };
}

/** Three standard deviations of a share measured on so few samples are allowed for. */
function accurate(results: readonly Classification[], stated: number): Verdict {
  const measured = accuracyOf(results);
  const least = stated - 3 * Math.sqrt((stated * (1 - stated)) / results.length);
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  return {
    ok: measured >= least,
    detail: `${percent(measured)} of ${results.length} samples right; ${percent(stated)} stated, at least ${percent(least)} expected`,
  };
}

/** An argument of the domain file that counts something. */
function count(domain: GuestDomain, name: string, fallback: number, most: number): number {
  const text = domain.args[name];
  const value = text === undefined ? Math.min(fallback, most) : Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new Error(`extra: ${name}=${text} is not an integer from 1 to ${most}`);
  }
  return value;
}
