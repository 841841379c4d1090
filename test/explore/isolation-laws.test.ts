import { describe, expect, it } from 'vitest';
import { instant, ms, seconds } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import type { IsolationCause } from '../../src/contract/recovery.ts';
import { IsolationLaws } from '../../src/explore/isolation-laws.ts';
import type { BuiltSystem } from '../../src/explore/subject.ts';
import type { Hypervisor } from '../../src/hypervisor/hypervisor.ts';

/** Two coprocessors, and two domains with a share of each; `a` is isolated as a whole. */
const system = {
  coprocs: [{ id: 'gpu0' }, { id: 'dsp1' }],
  domains: ['a', 'b'].map((name) => ({
    description: {
      name,
      ...(name === 'a' && { onFault: 'isolate-domain' }),
      coprocs: [{ coproc: 'gpu0' }, { coproc: 'dsp1' }],
    },
  })),
} as unknown as BuiltSystem;

const isolated = (vcoproc: string, cause: IsolationCause, guilty?: string): TraceEvent =>
  ({
    at: ms(1),
    kind: 'recovery',
    coproc: 'gpu0',
    vcoproc,
    step: 'isolated',
    cause,
    guilty,
  }) as unknown as TraceEvent;
const completed = (vcoproc: string, status: string, reason: string | null): TraceEvent =>
  ({ at: ms(2), kind: 'complete', vcoproc, status, reason, latency: 0 }) as unknown as TraceEvent;

const GUILTY = isolated('a/gpu0', 'offence');
const REASON = 'its domain is isolated: a/gpu0 was at fault: firmware trapped: unreachable executed';
const OTHER = isolated('a/dsp1', 'domain', 'a/gpu0');

/** What the laws say of these events, one after the other, and of how things stand `later`. */
function said(
  events: readonly TraceEvent[],
  { outstanding = 0, current = undefined as string | undefined, later = ms(2) as number } = {},
): string {
  const laws = new IsolationLaws(system);
  const hypervisor = {
    vcoprocs: ['a/gpu0', 'a/dsp1', 'b/gpu0'].map((name) => ({ name, queues: { outstanding } })),
    coprocs: [{ id: 'dsp1', current: current === undefined ? undefined : { name: current } }],
  } as unknown as Hypervisor;
  try {
    for (const event of events) laws.onEvent(event);
    laws.onStep(hypervisor, instant(later));
    return 'all is well';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('of a domain that is isolated for one of its shares', () => {
  it('the laws ask for no more than that all of it is', () => {
    expect(said([])).toBe('all is well');
    expect(said([GUILTY, OTHER])).toBe('all is well');
    expect(said([completed('a/dsp1', 'failed', REASON), GUILTY, OTHER])).toBe('all is well');
    expect(said([GUILTY, OTHER, completed('a/dsp1', 'cancelled', 'its domain is over')])).toBe('all is well');
    expect(
      said([GUILTY, OTHER, completed('b/dsp1', 'ok', null)], { current: 'b/dsp1', later: seconds(9) }),
    ).toBe('all is well');
  });

  it('what is refused or damaged is isolated alone, whatever the policy says', () => {
    expect(said([isolated('a/gpu0', 'unfit')])).toBe('all is well');
  });

  it('no other share goes on', () => {
    expect(said([GUILTY])).toBe('a/dsp1 goes on, though a/gpu0 was at fault');
    const gone = { at: ms(1), kind: 'vcoproc', vcoproc: 'a/dsp1', state: 'gone' } as unknown as TraceEvent;
    expect(said([gone, GUILTY])).toBe('all is well');
  });

  it("nobody else's share pays, nor is it done for one whose policy is another", () => {
    expect(said([GUILTY, OTHER, isolated('b/gpu0', 'domain', 'a/gpu0')])).toMatch(
      /^b\/gpu0 is isolated for a\/gpu0/,
    );
    const other = isolated('b/dsp1', 'domain', 'b/gpu0');
    expect(said([isolated('b/gpu0', 'offence'), other])).toMatch(/whose policy is ban$/);
    expect(said([completed('b/gpu0', 'failed', REASON), GUILTY, OTHER])).toMatch(/^b\/gpu0 was told/);
  });

  it('commands end, with a reason, and none is ok afterwards', () => {
    expect(said([GUILTY, OTHER, completed('a/dsp1', 'ok', null)])).toMatch(/which is isolated, is ok$/);
    expect(said([GUILTY, OTHER, completed('a/dsp1', 'failed', null)])).toMatch(/is failed for no reason$/);
    expect(said([GUILTY, OTHER], { outstanding: 1 })).toMatch(/^1 commands of a\/gpu0, .* have not ended$/);
  });

  it('its contexts leave', () => {
    expect(said([GUILTY, OTHER], { current: 'a/dsp1' })).toBe('all is well');
    expect(said([GUILTY, OTHER], { current: 'a/dsp1', later: seconds(3) })).toMatch(
      /has dsp1 for 3.00 s still$/,
    );
  });
});
