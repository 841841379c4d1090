import type { Outcome } from '../../src/base/outcome.ts';
import { START, bytes, mib, ms, seconds, us, type Bytes, type Duration } from '../../src/base/units.ts';
import type { TraceSink } from '../../src/contract/events.ts';
import type { FirmwareImage } from '../../src/contract/firmware.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import { coprocId, domainId } from '../../src/contract/names.ts';
import type { Recovery } from '../../src/contract/recovery.ts';
import type { RunReport } from '../../src/contract/report.ts';
import { firmwareLibrary } from '../../src/firmware/library.ts';
import { Hypervisor } from '../../src/hypervisor/hypervisor.ts';
import { checkLaws } from '../../src/observe/laws.ts';
import { platforms } from '../../src/platforms/index.ts';
import type { Cores } from '../../src/runtime/threads/pinning.ts';
import { ThreadsRuntime } from '../../src/runtime/threads/runtime.ts';
import { schedulers } from '../../src/schedulers/index.ts';

const nowhere = { file: 'bench', line: 1, column: 1 };

export interface SystemOptions {
  readonly timeslice?: Duration;
  readonly localMemory?: Bytes;
  /** Firmware by name; without it, what comes with Covisor. */
  readonly firmware?: (name: string) => Outcome<FirmwareImage>;
  readonly trace?: TraceSink;
  readonly recovery?: Recovery;
  /** The cores that its threads are held on. */
  readonly pinned?: Cores | undefined;
}

/** A whole system on threads: everything that is on in a run is on here, the trace excepted, which nobody reads. */
export class System {
  readonly runtime: ThreadsRuntime;
  readonly hypervisor: Hypervisor;
  readonly #ends: (() => void)[] = [];
  readonly #runs: Promise<void>[] = [];
  readonly #driven: Promise<void>;
  #over = (): void => {};

  constructor(coprocs = 1, options: SystemOptions = {}) {
    this.runtime = new ThreadsRuntime(1, START, options.pinned);
    // A broken invariant rejects here and ends the bench.
    this.#driven = this.runtime.drive(new Promise((resolve) => (this.#over = resolve)));
    const library = firmwareLibrary();
    this.hypervisor = new Hypervisor({
      runtime: this.runtime,
      platforms,
      schedulers,
      firmware: options.firmware ?? ((name) => library.load(name, { metered: false })),
      trace: options.trace ?? (() => {}),
    });
    for (let n = 0; n < coprocs; n++) {
      const added = this.hypervisor.addCoproc({
        id: coprocId(`gpu${n}`),
        path: `/soc/gpu${n}`,
        compatible: 'covisor,tile-gpu',
        scheduler: { name: 'round-robin', parameters: {} },
        timeslice: options.timeslice ?? ms(1),
        stopDeadline: seconds(5),
        commandTimeout: seconds(60),
        denyRetryLimit: undefined,
        localMemory: options.localMemory ?? mib(1),
        clock: 800_000_000,
        registers: { base: 0, size: bytes(4096) },
        interrupts: [32],
        streamId: 1,
        costs: { switchBandwidth: 4e9, dmaBandwidth: 8e9, interruptLatency: us(2) },
        ...(options.recovery && { recovery: options.recovery }),
        position: nowhere,
      });
      if (added.kind === 'failed') throw new Error(added.reason);
    }
  }

  /** A domain whose guest does what the bench does with it, until the system is closed. */
  async domain(name: string, coproc: string, firmware: string): Promise<GuestDomain> {
    const description = {
      name: domainId(name),
      memory: mib(1),
      kernel: 'bench',
      coprocs: [{ coproc: coprocId(coproc), firmware, parameters: {}, position: nowhere }],
      extra: '',
      takes: [],
      position: nowhere,
    };
    const files = { asset: () => new Uint8Array(), input: undefined, write: () => '' };
    return new Promise((resolve, reject) => {
      const over = new Promise<void>((end) => this.#ends.push(end));
      const main = (domain: GuestDomain): Promise<void> => {
        resolve(domain);
        return over;
      };
      void this.hypervisor.createDomain(description, { main }, files).then((created) => {
        if (created.kind === 'failed') reject(new Error(created.reason));
        else this.#runs.push(this.hypervisor.runDomain(created.value));
      }, reject);
    });
  }

  /** Ends all domains and checks the laws on what the run says: a figure of a run that lost something is none. */
  async close(): Promise<void> {
    for (const end of this.#ends) end();
    await Promise.all(this.#runs);
    this.#over();
    await this.#driven;
    this.hypervisor.close();
    const figures = this.hypervisor.figures();
    const broken = checkLaws({ ...figures } as unknown as RunReport);
    await this.runtime.close();
    if (broken.length > 0) throw new Error(broken.join('; '));
  }
}
