import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { seconds, us } from '../../src/base/units.ts';
import type { Runtime } from '../../src/contract/port.ts';
import type { SystemDescription } from '../../src/contract/system.ts';
import type { Checkpoint } from '../../src/toolstack/checkpoint/folder.ts';
import { packPlain, unpackPlain } from '../../src/toolstack/control/frame.ts';
import { readSystem } from '../../src/toolstack/known.ts';
import { runSystem, type RunOptions } from '../../src/toolstack/run.ts';

/** Enough for every domain to have several commands, little enough to be quick. */
const EXTRA: Readonly<Record<string, string>> = {
  cluster: 'frames=3 width=96 height=48 samples=1',
  assist: 'samples=24 batch=4',
  camera: 'frames=3 width=120 height=80 alarm=20',
  media: 'repeat=2',
};
const COCKPIT = fileURLToPath(new URL('../../examples/cockpit', import.meta.url));
const PHOTO = 'chelsea-progressive.jpg';

function cockpit(): SystemDescription {
  const system = readSystem(COCKPIT);
  const domains = system.domains.map((domain) => ({ ...domain, extra: EXTRA[domain.name]! }));
  const coprocs = system.coprocs.map((coproc) => ({ ...coproc, stopDeadline: seconds(20) }));
  return { ...system, coprocs, domains };
}

async function drive(runtime: Runtime['kind'], more: Partial<RunOptions> = {}) {
  const { report, files, trace } = await runSystem({
    system: cockpit(),
    runtime,
    seed: 1,
    input: { name: PHOTO, kind: 'image/jpeg', bytes: readFileSync(`${COCKPIT}/assets/photos/${PHOTO}`) },
    ...more,
  });
  expect(report.violations).toEqual([]);
  expect(report.domains.map(({ name, state, reason }) => [name, state, reason])).toEqual(
    ['assist', 'camera', 'cluster', 'media'].map((name) => [name, 'finished', null]),
  );
  expect(report.domains.flatMap(({ results }) => results).filter(({ ok }) => !ok)).toEqual([]);
  const contents = new Map(
    [...files.all].map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]),
  );
  return { contents, report, trace };
}

async function saved(
  runtime: Runtime['kind'],
  at: number,
): Promise<{ checkpoint: Checkpoint; contents: Map<string, string> }> {
  let taken: Checkpoint | undefined;
  const { contents } = await drive(runtime, {
    checkpoint: {
      at: us(at),
      taken(outcome) {
        if (outcome.kind === 'failed') throw new Error(outcome.reason);
        taken = outcome.value;
      },
    },
  });
  const { saved: all, ...rest } = taken!;
  return { checkpoint: { ...rest, saved: unpackPlain(packPlain(all)) as Checkpoint['saved'] }, contents };
}

const outstanding = ({ saved: { domains } }: Checkpoint): number =>
  domains.reduce((sum, { vcoprocs }) => sum + (vcoprocs[0]?.queues.first.outstanding.length ?? 0), 0);

it(
  'the cockpit, saved at any moment, gives the same bits whether it goes on or is resumed',
  { timeout: 120_000 },
  async () => {
    const { contents: expected, report } = await drive('simulated');
    const length = Math.max(...report.coprocs.map(({ wall }) => wall)) / 1000;
    let busy = 0;
    // Begin and end, and in between wherever chance has it.
    await fc.assert(
      fc.asyncProperty(fc.double({ min: 0, max: 0.95, noNaN: true }), async (part) => {
        const { checkpoint, contents } = await saved('simulated', part * length);
        expect(contents).toEqual(expected);
        busy += outstanding(checkpoint);
        const { system, input } = checkpoint;
        const again = await drive('simulated', {
          system,
          resume: checkpoint,
          ...(input === null ? {} : { input }),
        });
        expect(again.contents).toEqual(expected);
      }),
      { numRuns: 3, examples: [[0.3]] },
    );
    expect(busy).toBeGreaterThan(2);
  },
);

it('the cockpit is saved and resumed on threads, too', { timeout: 60_000 }, async () => {
  const { contents: expected } = await drive('simulated');
  const { checkpoint, contents } = await saved('threads', 60_000);
  expect(contents).toEqual(expected);
  const again = await drive('threads', { system: checkpoint.system, resume: checkpoint });
  expect(again.contents).toEqual(expected);
});
