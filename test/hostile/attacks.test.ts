import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FIRMWARE_ATTACKS } from './firmware-attacks.ts';
import { GUEST_ATTACKS, rubbishInQueues } from './guest-attacks.ts';
import { beside, type Attack } from './witness.ts';

const ATTACKS: Readonly<Record<string, Attack>> = { ...FIRMWARE_ATTACKS, ...GUEST_ATTACKS };
/** Of rubbish: what is overwritten, with what and when. */
const SEEDS = 40;
const doc = readFileSync(fileURLToPath(new URL('../../docs/hostile.md', import.meta.url)), 'utf8');
const alone = await beside('simulated', {});

const WORDS: Readonly<Record<Attack['ends'], readonly string[]>> = {
  refused: ['refused'],
  crashed: ['crashed'],
  isolated: ['isolated'],
  failed: ['failed'],
  harmless: ['harmless'],
  either: ['failed', 'harmless'],
  any: ['failed', 'harmless', 'isolated'],
};

describe('the table of docs/hostile.md', () => {
  const rows = doc
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 5 && cells[1] !== 'attack' && !cells[1]?.startsWith('---'))
    .map(([, name = '', , ends = '']) => [name, ends] as const);

  it('has a row for each attack, at least 25 of them, and says how each ends', () => {
    const known = Object.entries(ATTACKS).map(([name, { ends }]) => [name, WORDS[ends].join(', ')]);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(known));
    expect(rows.length).toBe(known.length);
    expect(known.length).toBeGreaterThanOrEqual(25);
  });
});

describe('an attack, simulated', () => {
  it.each(Object.keys(ATTACKS))('%s: the neighbours’ results are the same bits', async (name) => {
    const attack = ATTACKS[name]!;
    const { seen, endings } = await beside('simulated', { [name]: attack });
    expect(WORDS[attack.ends]).toContain(endings[name]);
    expect(seen).toEqual(alone.seen);
  });
});

describe('rubbish in the memory of its queues', () => {
  it.each(Array.from({ length: SEEDS }, (_, seed) => seed))('is nobody else’s, seed %i', async (seed) => {
    expect((await beside('simulated', { rubbish: rubbishInQueues(seed) })).seen).toEqual(alone.seen);
  });
});

describe.each([
  ['firmware', FIRMWARE_ATTACKS],
  ['guests', GUEST_ATTACKS],
])('attacks of %s, all at once on threads', (_whose, attacks) => {
  it('leave the neighbours’ results the same bits, and end as each does alone', async () => {
    const { seen, endings } = await beside('threads', attacks);
    for (const [name, { ends }] of Object.entries(attacks))
      expect([name, ...WORDS[ends]]).toEqual(expect.arrayContaining([name, endings[name]]));
    expect(seen).toEqual(alone.seen);
  });
});
