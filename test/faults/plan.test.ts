import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import { readPlan } from '../../src/faults/plan.ts';

describe('a fault plan', () => {
  it.each([
    [null, /^expected faults, and below it a list of them$/],
    [
      { faults: [{ fault: 'kill', coproc: 'gpu0' }] },
      /^faults\.0\.when: it is missing; expected \{ at: 12ms \}/,
    ],
    [
      { faults: [{ fault: 'kill', coproc: 'gpu0', at: 1 }] },
      /^faults\.0\.when: .*; faults\.0: it has no at$/,
    ],
    [{ faults: [{ fault: 'flip-bit', vcoproc: 'a/b', when: { at: 1 } }] }, /^faults\.0\.bit: it is missing/],
    [
      { faults: [{ fault: 'kil', when: { at: 1 } }] },
      /^faults\.0\.fault: 'kil': there is no such fault; did you mean kill\? covisor list-faults/,
    ],
    [
      { faults: [{ fault: 'stall', coproc: 'gpu0', when: { at: 1 } }] },
      /^faults\.0\.for: it is missing; expected a length of time, as in 12ms$/,
    ],
    [
      { faults: [{ fault: 'kill', coproc: 'gpu0', when: { event: 'switch', nht: 1 } }] },
      /^faults\.0\.when: \{ event: 'switch', nht: 1 \}; expected \{ at: 12ms \}/,
    ],
  ])('that is none is refused in one line: %j', (value, line) => {
    const plan = readPlan(value);
    const reason = plan.kind === 'failed' ? plan.reason : '';
    expect(reason).toMatch(line);
    expect(reason).not.toContain('\n');
  });

  it('is read from YAML, with lengths as people write them', () => {
    const plan = readPlan(
      parse(`
faults:
  - { fault: kill, coproc: gpu0, when: { at: 12ms } }
  - fault: flip-bit
    vcoproc: a/gpu0
    bit: 0.25
    when: { event: switch, nth: 3, plus: 50us }
`),
    );
    expect(plan).toEqual({
      kind: 'ok',
      value: {
        faults: [
          { fault: 'kill', coproc: 'gpu0', when: { at: ms(12) } },
          {
            fault: 'flip-bit',
            vcoproc: 'a/gpu0',
            bit: 0.25,
            when: { event: 'switch', nth: 3, plus: us(50) },
          },
        ],
      },
    });
  });

  it('is refused with the place of what is wrong', () => {
    const refusal = (value: unknown): string => {
      const plan = readPlan(value);
      return plan.kind === 'failed' ? plan.reason : 'accepted';
    };
    expect(refusal({ faults: [{ fault: 'kil', coproc: 'gpu0', when: { at: 0 } }] })).toContain(
      'faults.0.fault',
    );
    expect(refusal({ faults: [{ fault: 'kill', when: { at: 0 } }] })).toContain('faults.0.coproc');
    expect(refusal({ faults: [{ fault: 'stall', coproc: 'a', for: '3 weeks', when: { at: 0 } }] })).toContain(
      '12ms',
    );
    expect(refusal(undefined)).not.toBe('accepted');
  });
});
