import { encode } from 'fast-png';
import type {
  Command,
  Completion,
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
  await loadNetwork(domain, gpu, networkFile);
  const words = await classify(domain, gpu, digits, { samples, batch, outstanding });

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

/** Loads the network into the coprocessor, where it stays. */
async function loadNetwork(domain: GuestDomain, gpu: GuestCoproc, file: Uint8Array): Promise<void> {
  const buffer = domain.memory.allocate(file.length);
  buffer.bytes.set(file);
  const iova = gpu.map(buffer, 'read');
  const [layers] = (await run(gpu, { op: LOAD, args: [iova, file.length] })).results;
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
): Promise<Int32Array> {
  const input = domain.memory.allocate(samples * PIXELS);
  const output = domain.memory.allocate(samples * RECORD * 4);
  input.bytes.set(digits.pixels.subarray(0, samples * PIXELS));
  const [inputIova, outputIova] = [gpu.map(input, 'read'), gpu.map(output, 'write')];

  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < samples) {
      const first = next;
      const size = Math.min(batch, samples - first);
      next += size;
      const args = [inputIova + first * PIXELS, size, outputIova + first * RECORD * 4];
      await run(gpu, { op: CLASSIFY, args });
    }
  };
  await Promise.all(Array.from({ length: outstanding }, lane));

  const records = new Int32Array(samples * RECORD);
  new Uint8Array(records.buffer).set(output.bytes.subarray(0, samples * RECORD * 4));
  await Promise.all([gpu.unmap(inputIova), gpu.unmap(outputIova)]);
  domain.memory.free(input);
  domain.memory.free(output);
  return records;
}

async function run(gpu: GuestCoproc, command: Command): Promise<Completion> {
  const completion = await gpu.submit(command);
  if (completion.status !== 'ok') {
    throw new Error(`command ${command.op} on ${gpu.id} ${completion.status}: ${completion.reason}`);
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
