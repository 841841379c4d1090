import { compileTable } from '../../machines/table.ts';
import { domainMachine, type DomainEvent } from '../../machines/domain.ts';
import { InvariantError } from '../base/assert.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import { messageOf, namedMessageOf, placeOf } from '../base/said.ts';
import { bytes, after, ns, seconds, type Duration } from '../base/units.ts';
import type { Random } from '../base/random.ts';
import type { TraceSink } from '../contract/events.ts';
import {
  GuestError,
  type GuestBuffer,
  type GuestCoproc,
  type GuestDomain,
  type GuestFile,
  type GuestMemory,
  type GuestProgram,
  type Verdict,
} from '../contract/guest.ts';
import type { DomainId } from '../contract/names.ts';
import type { MemorySource, Timeline } from '../contract/port.ts';
import type { DomainReport, ResultReport } from '../contract/report.ts';
import { DOMAIN_STATES, type DomainState } from '../contract/states.ts';
import type { DomainDescription } from '../contract/system.ts';
import { GuestRam } from '../memory/guest-ram.ts';
import { DrawnRandom } from './drawn.ts';
import { packGuestState, unpackGuestState } from './guest-state.ts';
import type { SavedDomain } from './saved.ts';
import type { Vcoproc } from './vcoproc.ts';

const table = compileTable<DomainState, DomainEvent>(domainMachine, DOMAIN_STATES);

/** What a domain needs of the world outside: its files, and where its results go. */
export interface DomainFiles {
  /** Reads a file below the system's folder; throws a `GuestError` otherwise. */
  asset(path: string): Uint8Array;
  /** Keeps a result file of this domain; returns its path below the output folder. */
  write(domain: DomainId, file: string, content: Uint8Array): string;
  readonly input: GuestFile | undefined;
}

export interface DomainSettings {
  readonly description: DomainDescription;
  readonly program: GuestProgram;
  readonly files: DomainFiles;
  readonly memory: MemorySource;
  readonly timeline: Timeline;
  readonly random: Random;
  readonly trace: TraceSink;
  /** What it continues. */
  readonly saved?: SavedDomain;
}

/** A year: what a guest may mean when it sleeps. */
const LONGEST_SLEEP = seconds(365 * 24 * 3600);

interface Check {
  readonly what: string;
  readonly check: () => Verdict;
}

/** One domain: its memory, its guest program, its results. */
export class Domain {
  readonly name: DomainId;
  readonly settings: DomainSettings;
  readonly ram: GuestRam;
  readonly vcoprocs: Vcoproc[] = [];
  /** Resolves once the guest program is over, one way or the other. Never rejects. */
  readonly ended: Promise<void>;
  readonly #results: ResultReport[] = [];
  readonly #files: string[] = [];
  readonly #checks: Check[] = [];
  readonly #shutdown: (() => void)[] = [];
  readonly #random: DrawnRandom;
  #checkpoint: (() => unknown) | undefined;
  #state: DomainState = table.initial;
  #reason: string | null = null;
  #end: () => void = () => {};
  #resume: (() => void)[] = [];
  /** How to cancel each sleep that is under way. */
  readonly #sleeps = new Set<() => void>();

  constructor(settings: DomainSettings) {
    this.settings = settings;
    this.name = settings.description.name;
    this.ram = new GuestRam(settings.description.memory, settings.memory);
    this.ended = new Promise((resolve) => {
      this.#end = () => {
        for (const cancel of this.#sleeps) cancel();
        this.#sleeps.clear();
        resolve();
      };
    });
    this.#random = new DrawnRandom(settings.random);
    if (settings.saved !== undefined) this.#restore(settings.saved);
  }

  /** Why it cannot be saved, if it cannot. */
  get unsaveable(): string | undefined {
    if (this.over) return undefined;
    if (this.#state === 'created') return 'it is not started yet; ask again';
    if (this.#checkpoint === undefined)
      return 'its guest has not called onCheckpoint; end the domain, or give its program a checkpoint';
    for (const { id, queues } of this.vcoprocs) {
      if (queues.unsaveable !== undefined) return `on ${id}, ${queues.unsaveable}`;
    }
    return undefined;
  }

  /** Everything of it, as plain data. Only while it is paused and its contexts are away, or over. */
  save(goesOn: boolean): Outcome<SavedDomain> {
    const { name, report } = this;
    const { description } = this.settings;
    const plain = { name, description, report, goesOn, draws: this.#random.draws };
    if (this.over) return ok({ ...plain, guest: null, ram: null, vcoprocs: [] });
    const guest = packGuestState(() => this.#checkpoint?.());
    if (guest.kind === 'failed')
      return failed(`domain ${name}: its checkpoint cannot be had: ${guest.reason}`);
    const vcoprocs = this.vcoprocs.map((vcoproc) => vcoproc.save());
    return ok({ ...plain, guest: guest.value, ram: this.ram.save(), vcoprocs });
  }

  #restore({ report, draws, ram }: SavedDomain): void {
    this.#results.push(...report.results);
    this.#files.push(...report.files);
    this.#random.skip(draws);
    if (ram !== null) this.ram.restore(ram);
    // One that was at work begins with its program's `main` again.
    if (report.state === 'running' || report.state === 'paused') return;
    this.#reason = report.reason;
    this.#state = report.state;
    this.#end();
  }

  get state(): DomainState {
    return this.#state;
  }

  /** Whether its guest is over, one way or the other. */
  get over(): boolean {
    return this.#state === 'finished' || this.#state === 'crashed' || this.#state === 'destroyed';
  }

  /** Whether it takes interrupts and its vcoprocs may run. */
  get awake(): boolean {
    // One that was saved hears of nothing before its program has begun again.
    const begins = this.#state === 'created' && this.settings.saved === undefined;
    return this.#state === 'running' || begins;
  }

  start(): void {
    this.#move('START');
    // The guest begins in a turn of its own, so that a throw at once is a crash like any other.
    void Promise.resolve()
      .then(() => this.settings.program.main(this.#guest()))
      .then(
        () => this.#over('FINISH', null),
        (error: unknown) => this.crash(error),
      );
  }

  crash(error: unknown): void {
    this.#over('CRASH', this.#said(namedMessageOf(error), error));
  }

  /** Whoever wrote the guest looks for the line. */
  #said(words: string, error: unknown): string {
    const place = placeOf(error, this.settings.description.kernel);
    return place === undefined ? words : `${words} at ${place}`;
  }

  pause(): void {
    this.#move('PAUSE');
  }

  unpause(): void {
    this.#move('UNPAUSE');
    const resume = this.#resume;
    this.#resume = [];
    for (const go of resume) go();
  }

  /** Asks the guest to end. Says whether it listens. */
  askToShutDown(): boolean {
    for (const handler of this.#shutdown) {
      try {
        handler();
      } catch (error) {
        this.crash(error);
      }
    }
    return this.#shutdown.length > 0;
  }

  destroy(): void {
    if (this.#state === 'destroyed') return;
    this.#move('DESTROY');
    this.#end();
  }

  /** Runs the checks that the guest registered. Outside of the measured time: the domain is over. */
  verify(): void {
    if (this.#state !== 'finished') return;
    for (const { what, check } of this.#checks.splice(0)) {
      try {
        const { ok, detail } = check();
        this.#results.push({ what, ok: ok === true, detail: String(detail) });
      } catch (error) {
        this.#results.push({ what, ok: false, detail: this.#said(messageOf(error), error) });
      }
    }
  }

  get report(): DomainReport {
    return {
      name: this.name,
      state: this.#state,
      reason: this.#reason,
      results: [...this.#results],
      files: [...this.#files],
    };
  }

  #over(event: 'FINISH' | 'CRASH', reason: string | null): void {
    if (table.next(this.#state, event) === undefined) return;
    this.#reason = reason;
    this.#move(event);
    this.#end();
  }

  #move(event: DomainEvent): void {
    const next = table.next(this.#state, event);
    if (next === undefined) throw new InvariantError(`domain ${this.name}: ${event} while ${this.#state}`);
    this.#state = next;
    this.settings.trace({
      at: this.settings.timeline.now(),
      kind: 'domain',
      domain: this.name,
      state: next,
      reason: this.#reason,
    });
  }

  #guest(): GuestDomain {
    const { description, files, timeline, trace, saved } = this.settings;
    const resumed =
      saved?.guest === undefined || saved.guest === null ? undefined : unpackGuestState(saved.guest);
    return {
      name: this.name,
      args: parseArgs(description.extra),
      input: files.input,
      random: this.#random,
      memory: this.#memory(),
      resumed,
      onCheckpoint: (state) => void (this.#checkpoint = state),
      now: () => timeline.now(),
      sleep: (length) => this.#sleep(length),
      coproc: (id) => this.#coproc(id),
      asset: (path) => files.asset(path),
      log: (line) => trace({ at: timeline.now(), kind: 'log', domain: this.name, line: String(line) }),
      write: (file, content) => {
        const path = files.write(this.name, file, content);
        if (!this.#files.includes(path)) this.#files.push(path);
      },
      onShutdown: (handler) => void this.#shutdown.push(handler),
      verify: (what, check) => void this.#checks.push({ what: String(what), check }),
    };
  }

  #coproc(id: string): GuestCoproc {
    const found = this.vcoprocs.find((vcoproc) => vcoproc.id === id);
    if (found === undefined) {
      const has = this.vcoprocs.map((vcoproc) => vcoproc.id).join(', ') || 'none';
      throw new GuestError(`domain ${this.name} has no coprocessor ${id}; its domain file lists ${has}`);
    }
    return found.guest;
  }

  #memory(): GuestMemory {
    const { ram } = this;
    return {
      size: bytes(ram.size),
      allocate: (size): GuestBuffer => {
        if (!Number.isInteger(size) || size < 1)
          throw new GuestError(`${size} bytes of memory; expected a positive whole number`);
        const address = ram.allocate(size);
        if (address === undefined) {
          throw new GuestError(
            `no ${size} bytes left of ${ram.size} (${ram.freeBytes} free); raise memory in the domain file`,
          );
        }
        return { address, size, bytes: ram.view(address, size) };
      },
      at: (address): GuestBuffer => {
        const size = ram.sizeAt(address);
        if (size === undefined) throw new GuestError(`no memory was allocated at ${address}`);
        return { address, size, bytes: ram.view(address, size) };
      },
      free: (buffer) => {
        if (!ram.free(buffer.address)) throw new GuestError(`memory at ${buffer.address} is not allocated`);
      },
    };
  }

  /** A paused domain's sleep ends when it goes on; that of one that is over, never. */
  #sleep(length: Duration): Promise<void> {
    if (typeof length !== 'number' || !(length >= 0 && length <= LONGEST_SLEEP))
      throw new GuestError(`cannot sleep for ${length} ns`);
    const { timeline } = this.settings;
    return new Promise((resolve) => {
      if (this.over) return;
      const cancel = timeline.at(after(timeline.now(), ns(Math.ceil(length))), () => {
        this.#sleeps.delete(cancel);
        if (this.#state === 'paused') this.#resume.push(resolve);
        else resolve();
      });
      this.#sleeps.add(cancel);
    });
  }
}

/** `frames=8 quiet` is `{ frames: '8', quiet: '' }`. */
export function parseArgs(extra: string): Record<string, string> {
  const words = extra.split(/\s+/).filter((word) => word !== '');
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}
