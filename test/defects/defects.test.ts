import { afterEach, describe, expect, it, vi } from 'vitest';
import { hunt } from './campaign.ts';
import { defects, scheduledBy, sound } from './defects.ts';

/** Nothing is known of the defect beforehand: the campaign is the one that the real code has to pass. */
const MOST_RUNS = 1500;

afterEach(() => void vi.restoreAllMocks());

describe('a campaign of random guests finds', () => {
  it.each(Object.entries(defects))('%s', { timeout: 120_000 }, async (_name, { build }) => {
    const { failure, runs } = await hunt(build(), MOST_RUNS);
    if (process.env['SHOW'] !== undefined) console.log(_name, runs, failure?.law, '|', failure?.what);
    expect(failure).toBeDefined();
  });
});

it(
  'finds nothing in the code that ships, nor in a plain queue without the defects',
  { timeout: 120_000 },
  async () => {
    expect((await hunt({}, 100)).failure).toBeUndefined();
    expect((await hunt(scheduledBy(sound), 50)).failure).toBeUndefined();
  },
);
