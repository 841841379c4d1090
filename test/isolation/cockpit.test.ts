import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { seconds } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import type { Runtime } from '../../src/contract/port.ts';
import type { SystemDescription } from '../../src/contract/system.ts';
import { tape } from '../../src/observe/trace-tape.ts';
import { readSystem } from '../../src/toolstack/known.ts';
import { runSystem } from '../../src/toolstack/run.ts';

/** Enough for every domain to be switched many times, little enough to be quick. */
const EXTRA: Readonly<Record<string, string>> = {
  cluster: 'frames=2 width=96 height=48 samples=1',
  assist: 'samples=24 batch=4',
  camera: 'frames=2 width=120 height=80',
  media: 'repeat=1',
};

const COCKPIT = fileURLToPath(new URL('../../examples/cockpit', import.meta.url));
/** The smallest of the photos. */
const PHOTO = 'chelsea-progressive.jpg';

function cockpit(): SystemDescription {
  const system = readSystem(COCKPIT);
  const domains = system.domains.map((domain) => ({ ...domain, extra: EXTRA[domain.name]! }));
  // A machine that is busy with other things is no reason to blame anybody.
  const coprocs = system.coprocs.map((coproc) => ({ ...coproc, stopDeadline: seconds(20) }));
  return { ...system, coprocs, domains };
}

async function drive(runtime: Runtime['kind'], seed = 1) {
  const events: TraceEvent[] = [];
  const { report, files } = await runSystem({
    system: cockpit(),
    runtime,
    seed,
    input: { name: PHOTO, kind: 'image/jpeg', bytes: readFileSync(`${COCKPIT}/assets/photos/${PHOTO}`) },
    onEvent: (event) => void events.push(event),
  });
  return { events, report, files };
}

/** Result files as text by name, so that a difference names its file. */
const contents = (files: { readonly all: ReadonlyMap<string, Uint8Array> }): Map<string, string> =>
  new Map([...files.all].map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]));

describe('the cockpit', () => {
  it('gives the same tape byte for byte for the same seed, and the same files on threads', async () => {
    const once = await drive('simulated');
    const twice = await drive('simulated');
    const threads = await drive('threads');

    expect(once.report.violations).toEqual([]);
    expect(once.report.domains.map(({ name, state, reason }) => [name, state, reason])).toEqual(
      ['assist', 'camera', 'cluster', 'media'].map((name) => [name, 'finished', null]),
    );
    expect(once.report.domains.flatMap(({ results }) => results).filter(({ ok }) => !ok)).toEqual([]);
    for (const { switches } of once.report.coprocs) expect(switches).toBeGreaterThan(10);

    // Compared as a whole: a difference of a million characters is no message.
    expect(tape(once.events) === tape(twice.events)).toBe(true);
    expect(twice.report).toEqual(once.report);

    expect(threads.report.vcoprocs.flatMap(({ faults }) => faults)).toEqual([]);
    expect(threads.report.violations).toEqual([]);
    expect(threads.report.ok).toBe(true);
    const [expected, found] = [contents(once.files), contents(threads.files)];
    expect(new Set(found.keys())).toEqual(new Set(expected.keys()));
    expect([...found.keys()].filter((name) => found.get(name) !== expected.get(name))).toEqual([]);
    expect(threads.report.domains.map(({ results }) => results)).toEqual(
      once.report.domains.map(({ results }) => results),
    );
  });
});
