import { failed, ok, type Outcome } from '../base/outcome.ts';
import { after, seconds, us } from '../base/units.ts';
import type { Timeline } from '../contract/port.ts';
import type { SharedCoproc } from './coproc.ts';
import type { Domain } from './domain.ts';
import type { SavedDomain, SavedSystem } from './saved.ts';

// A checkpoint, in order:
//
//   1. ask       every domain that is not over must be able to be saved, or nothing is touched
//   2. pause     all domains: their contexts leave the coprocessors as in any world switch, or are reset for it
//   3. settle    until no coprocessor holds or moves a context, then as long as it takes a guest to hear of what is over
//   4. copy      everything at one instant: nothing happens while it is copied
//   5. go on     whoever was paused for this goes on
//
// Who resumes does the same from its end: domains are created paused, and go on.

/** Between two looks at coprocessors that come to rest. */
const LOOK = us(100);
/** Longer than any stop deadline with what may follow it. */
const PATIENCE = seconds(60);
/** What guests may still hear of while they are paused: that a command was refused, that a buffer is unmapped. */
const SETTLING = us(20);

/** The system to be saved. */
interface Subject {
  readonly timeline: Timeline;
  readonly coprocs: readonly SharedCoproc[];
  /** Those that are there now. */
  domains(): readonly Domain[];
  /** Whether a domain comes or goes now. */
  attaching(): boolean;
  past(): SavedSystem['past'];
  pause(domain: Domain): void;
  unpause(domain: Domain): void;
}

/** `goesOn`: whether the domains go on when they are saved; when they are not, they go on in any case. */
export async function saveSystem(subject: Subject, goesOn: boolean): Promise<Outcome<SavedSystem>> {
  const { timeline, coprocs } = subject;
  const paused = new Set<Domain>();
  let stays = false;
  const wait = (length: typeof LOOK): Promise<void> =>
    new Promise((resolve) => void timeline.at(after(timeline.now(), length), resolve));
  try {
    const deadline = after(timeline.now(), PATIENCE);
    for (;;) {
      const refusal = refuse(subject.domains());
      if (refusal !== undefined) return failed(refusal);
      // Also those that came, or were told to go on, meanwhile.
      const running = subject.domains().filter(({ state }) => state === 'running');
      for (const domain of running) {
        paused.add(domain);
        subject.pause(domain);
      }
      const busy = coprocs.find(({ atRest }) => !atRest);
      if (running.length === 0 && busy === undefined && !subject.attaching()) break;
      if (timeline.now() > deadline)
        return failed(`${busy?.id ?? 'a domain'} does not come to rest; ask again`);
      await wait(busy === undefined ? SETTLING : LOOK);
    }
    const saved = copy(subject, paused);
    stays = saved.kind === 'ok' && !goesOn;
    return saved;
  } finally {
    for (const domain of stays ? [] : paused) if (domain.state === 'paused') subject.unpause(domain);
  }
}

function refuse(domains: readonly Domain[]): string | undefined {
  for (const { name, unsaveable } of domains) {
    if (unsaveable !== undefined) return `domain ${name} cannot be saved: ${unsaveable}`;
  }
  return undefined;
}

function copy(
  { timeline, coprocs, domains, past }: Subject,
  paused: ReadonlySet<Domain>,
): Outcome<SavedSystem> {
  const saved: SavedDomain[] = [];
  for (const domain of domains()) {
    // Its checks are functions of a program that ends here: what they say is saved.
    domain.verify();
    const one = domain.save(paused.has(domain));
    if (one.kind === 'failed') return one;
    saved.push(one.value);
  }
  return ok({
    at: timeline.now(),
    coprocs: coprocs.map((coproc) => coproc.save()),
    past: past(),
    domains: saved,
  });
}
