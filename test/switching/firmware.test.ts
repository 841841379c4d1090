import { describe, expect, it } from 'vitest';
import { COMPLETED } from '../../src/memory/completion.ts';
import { platforms } from '../../src/platforms/index.ts';
import { PLATFORMS } from '../rig.ts';
import { Machine, remains, type Subject, type Work } from './machine.ts';
import { inferWork, jpegWork, renderWork, visionWork } from './work.ts';

interface Subjects {
  readonly name: string;
  readonly work: Work;
  /** The same firmware at other work: it leaves other globals and other memory in the same places. */
  readonly other: Work;
  /** Whether it has sections that it does not leave at once. */
  readonly denies: boolean;
}

const SUBJECTS: readonly Subjects[] = [
  { name: 'render', work: renderWork(0.3), other: renderWork(0.7), denies: false },
  { name: 'infer', work: inferWork(0), other: inferWork(7), denies: false },
  { name: 'jpeg', work: jpegWork(1), other: jpegWork(2), denies: true },
  { name: 'vision', work: visionWork(1), other: visionWork(2), denies: false },
];

const CASES = SUBJECTS.flatMap((subjects) =>
  Object.entries(PLATFORMS).map(([platform, compatible]) => ({
    ...subjects,
    on: platform,
    platform: platforms[compatible]!,
  })),
);

describe.each(CASES)('$name on the $on', ({ work, other, platform, denies }) => {
  /** Who denies takes steps of its own until it leaves, and the GPU counts them: they are no part of the result. */
  function result(subject: Subject): ReturnType<typeof remains> {
    const whole = remains(subject, platform);
    return denies ? { ...whole, registers: { ...whole.registers, TILES: undefined } } : whole;
  }

  /** The work without any switch: what must come out, and in how many steps. */
  function uninterrupted(which: Work) {
    const machine = new Machine(platform);
    const subject = machine.attach(which);
    machine.switchTo(subject);
    machine.run(subject);
    machine.switchTo(undefined);
    return { steps: machine.steps, result: result(subject) };
  }

  it('gives the same bits when it is switched out at any one step boundary', () => {
    const { steps, result: expected } = uninterrupted(work);
    expect(expected.completions.map(([, status]) => status)).toEqual(
      expected.completions.map(() => COMPLETED.ok),
    );
    expect(expected.registers['FENCE']).toBe(expected.completions.length - 1);
    expect(expected.strayBytes).toBe(0);
    expect(steps).toBeGreaterThan(8);
    const machine = new Machine(platform);
    const between = machine.attach(other);
    for (let boundary = 0; boundary <= steps; boundary++) {
      const subject = machine.attach(work);
      machine.switchTo(subject);
      machine.run(subject, boundary);
      machine.switchTo(between);
      machine.run(between, 2);
      machine.switchTo(subject);
      machine.run(subject);
      machine.switchTo(undefined);
      expect(result(subject), `switched out after step ${boundary}`).toEqual(expected);
    }
    expect(machine.denials > 0).toBe(denies);
  });

  it('gives the same bits when it is switched out after every step, and so does the other', () => {
    const machine = new Machine(platform);
    const both = [machine.attach(work), machine.attach(other)];
    let switches = 0;
    while (both.some((subject) => !subject.done))
      for (const subject of both) {
        machine.switchTo(subject);
        machine.run(subject, 1);
        switches++;
      }
    machine.switchTo(undefined);
    const expected = [uninterrupted(work), uninterrupted(other)];
    expect(both.map(result)).toEqual(expected.map((alone) => alone.result));
    expect(switches).toBeGreaterThan(8);
  });
});
