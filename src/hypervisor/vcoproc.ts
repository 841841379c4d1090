import { compileTable } from '../../machines/table.ts';
import { vcoprocMachine, type VcoprocEvent } from '../../machines/vcoproc.ts';
import { InvariantError, present } from '../base/assert.ts';
import { expectedOneOf } from '../base/nearest.ts';
import { NO_TIME, between, sum, type Duration, type Instant } from '../base/units.ts';
import type { TraceSink } from '../contract/events.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import { GuestError, type GuestBuffer, type GuestCoproc, type MappingRights } from '../contract/guest.ts';
import { vcoprocId, type CoprocId, type DomainId, type VcoprocId } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { Outcome } from '../base/outcome.ts';
import type { ContextSpec, QueueService, QueueSpec, Timeline } from '../contract/port.ts';
import type { FaultPolicy } from '../contract/recovery.ts';
import type { SchedulerParameters } from '../contract/scheduler.ts';
import type { VcoprocReport } from '../contract/report.ts';
import { VCOPROC_STATES, type VcoprocState } from '../contract/states.ts';
import { clear } from '../memory/clear.ts';
import { ContextImage, IMAGE_STATE, LINES, imageBytes } from '../memory/context-image.ts';
import { PAGE_BYTES, type GuestRam } from '../memory/guest-ram.ts';
import { livePages, putPages } from '../memory/live-pages.ts';
import { AddressSpace, RIGHT, type Rights } from '../memory/page-table.ts';
import type { UnderWay } from './events.ts';
import { allocated } from './allocated.ts';
import { QueueTable } from './queue-table.ts';
import type { SavedVcoproc } from './saved.ts';
import { Guilt } from './guilt.ts';
import { InterruptHandlers } from './interrupt-handlers.ts';
import { SpreadRecorder } from './spread.ts';
import { RegisterWindow } from './window.ts';

const table = compileTable<VcoprocState, VcoprocEvent>(vcoprocMachine, VCOPROC_STATES);

const RIGHTS: Readonly<Record<MappingRights, Rights>> = {
  read: RIGHT.read,
  write: RIGHT.write,
  'read-write': RIGHT.read | RIGHT.write,
  execute: RIGHT.execute,
  'read-execute': RIGHT.read | RIGHT.execute,
};

/** The coprocessor that a vcoproc is a share of, as far as a vcoproc needs it. */
export interface Host {
  /** Wakes the coprocessor, which has this vcoproc's context: it finds the work by itself. */
  ring(): void;
  /** A command is about to come: the coprocessor may begin to wake up while it is decided who has it. */
  rouse(vcoproc: Vcoproc): void;
  /** This vcoproc has work and does not have the coprocessor. */
  onWake(vcoproc: Vcoproc): void;
  /** Makes queues of this vcoproc known to the coprocessor. */
  addQueues(vcoproc: Vcoproc, queues: readonly QueueSpec[]): Promise<Outcome<void>>;
  /** Tells the coprocessor how to serve one. */
  serveQueue(vcoproc: Vcoproc, index: number, service: QueueService, sequence: number): void;
  blame(vcoproc: Vcoproc, what: string, reset: boolean): void;
}

export interface VcoprocSettings {
  readonly slot: number;
  readonly domain: DomainId;
  readonly coproc: CoprocId;
  readonly platform: Platform;
  readonly firmware: FirmwareImage;
  /** What the firmware was asked for by. */
  readonly firmwareName: string;
  readonly ram: GuestRam;
  readonly timeline: Timeline;
  readonly trace: TraceSink;
  readonly host: Host;
  /** Whether the domain takes interrupts now. */
  readonly awake: () => boolean;
  /** Whether the domain's guest is over. */
  readonly over: () => boolean;
  /** What becomes of it when it is at fault, where its domain says so. */
  readonly onFault?: FaultPolicy;
  /** Its domain is to have no coprocessor any more. */
  readonly onOutlawed: (guilty: VcoprocId, reason: string) => void;
  /** A handler of the guest threw. */
  readonly onGuestError: (error: unknown) => void;
}

/** A domain's share of a coprocessor: what the guest holds, what the hypervisor schedules. */
export class Vcoproc {
  /** What the guest gets of it: its own share, and no handle of the hypervisor's. */
  readonly guest: GuestCoproc;
  readonly name: VcoprocId;
  readonly slot: number;
  readonly settings: VcoprocSettings;
  readonly window: RegisterWindow;
  readonly queues: QueueTable;
  readonly wait = new SpreadRecorder();
  /** What its coprocessor's scheduler was told of it. */
  parameters: SchedulerParameters = {};
  time: Duration = NO_TIME;
  /** Of `time`, what its scheduler knows. */
  #settled: Duration = NO_TIME;
  overrun: Duration = NO_TIME;
  slices = 0;
  readonly guilt = new Guilt();
  readonly #imageMemory: SharedArrayBuffer;
  readonly #local: WebAssembly.Memory;
  readonly #image: ContextImage;
  readonly #space: AddressSpace;
  readonly #handlers: InterruptHandlers;
  /** Delivered to the hypervisor while the domain could not take them, in order. */
  #held: { readonly line: number; readonly count: number }[] = [];
  #delivered = 0;
  #dropped = 0;
  #unmapping: { epoch: number; done: () => void }[] = [];
  /** The command that was under way at the end of the last slice. */
  #longest: { command: UnderWay | undefined; since: Duration } = { command: undefined, since: NO_TIME };
  #state: VcoprocState = table.initial;
  #waitingSince: Instant | undefined;

  constructor(settings: VcoprocSettings) {
    const { timeline, host, platform, ram } = settings;
    this.settings = settings;
    this.slot = settings.slot;
    this.name = vcoprocId(settings.domain, settings.coproc);
    this.#imageMemory = ram.source.shared(imageBytes(settings.firmware));
    this.#local = ram.source.local(settings.firmware.memoryPages);
    this.#image = new ContextImage(this.#imageMemory, settings.firmware);
    this.#space = new AddressSpace(ram.size, ram.source);
    this.window = new RegisterWindow(platform, this.#image, platform.core.interruptMask, () =>
      this.takePending(),
    );
    this.#handlers = new InterruptHandlers(settings.onGuestError);
    this.queues = new QueueTable({
      timeline,
      memory: ram.source,
      over: settings.over,
      hears: () => this.hears,
      sleeps: () => this.#state === 'sleeping',
      kick: () => this.#kick(),
      addQueues: (queues) => host.addQueues(this, queues),
      tell: (index, service, sequence) => host.serveQueue(this, index, service, sequence),
      blame: (what) => host.blame(this, what, false),
      rouse: () => host.rouse(this),
      // Written out, for to spread an object in front of others takes microseconds. Of the default queue it is not said.
      onSubmit: (queue, op, at) => {
        const { name: vcoproc } = this;
        settings.trace(
          queue === 0 ? { at, kind: 'submit', vcoproc, op } : { at, kind: 'submit', vcoproc, queue, op },
        );
      },
      onComplete: (queue, { status, reason = null }, latency) => {
        const at = timeline.now();
        const { name: vcoproc } = this;
        settings.trace(
          queue === 0
            ? { at, kind: 'complete', vcoproc, status, reason, latency }
            : { at, kind: 'complete', vcoproc, queue, status, reason, latency },
        );
      },
    });
    const { queues } = this;
    this.guest = {
      id: settings.coproc,
      registers: {
        read: (offset) => this.window.read(offset),
        write: (offset, value) => this.window.write(offset, value),
      },
      submit: (command) => this.queues.first.submit(command),
      batch: () => this.queues.first.batch(),
      createQueue: (wanted) => queues.create(wanted),
      get queues() {
        return queues.handles;
      },
      outstanding: () => this.queues.first.takeResumed(),
      map: (buffer, rights) => this.#map(buffer, rights),
      unmap: (iova) => this.#unmap(iova),
      onInterrupt: (handler) => this.#handlers.add(handler),
    };
  }

  // ---- for the guest

  get id(): CoprocId {
    return this.settings.coproc;
  }

  #map(buffer: GuestBuffer, rights: MappingRights): number {
    if (!Number.isInteger(buffer.address) || buffer.address % PAGE_BYTES !== 0)
      throw new GuestError(`a buffer at ${buffer.address}; map buffers as \`allocate\` gives them`);
    const { size } = buffer;
    if (!Number.isInteger(size) || size < 1)
      throw new GuestError(`a buffer of ${size} bytes; expected at least one`);
    if (!Object.hasOwn(RIGHTS, rights))
      throw new GuestError(`rights ${String(rights)}; ${expectedOneOf(String(rights), Object.keys(RIGHTS))}`);
    const iova = this.#space.map(buffer.address, size, RIGHTS[rights]);
    if (iova === undefined)
      throw new GuestError(`no I/O addresses left to map ${size} bytes; unmap what is not used`);
    return iova;
  }

  #unmap(iova: number): Promise<void> {
    const unmapped = this.#space.unmap(iova);
    if (unmapped === undefined) return Promise.reject(new GuestError(`nothing is mapped at ${iova}`));
    const reclaim = (): void => this.#space.reclaim(iova, unmapped.bytes);
    // A context that is away uses no translation; it loads the table as it is now.
    if (this.#image.state !== IMAGE_STATE.away) {
      reclaim();
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = (): void => {
        reclaim();
        resolve();
      };
      this.#unmapping.push({ epoch: unmapped.epoch, done });
      this.settings.host.ring();
    });
  }

  // ---- for the hypervisor

  get state(): VcoprocState {
    return this.#state;
  }

  /** What the coprocessor must know of it. */
  get context(): ContextSpec {
    return {
      slot: this.slot,
      firmware: this.settings.firmware,
      image: this.#imageMemory,
      local: this.#local,
      ram: this.settings.ram.memory,
      pageTable: this.#space.memory,
      queues: this.queues.specs,
      board: this.queues.board,
    };
  }

  /** The context was in the coprocessor, or on its way from there: what its image holds is not whole. */
  get lost(): boolean {
    return this.#image.state === IMAGE_STATE.away;
  }

  move(event: VcoprocEvent): void {
    const next = table.next(this.#state, event);
    if (next === undefined) throw new InvariantError(`vcoproc ${this.name}: ${event} while ${this.#state}`);
    if (next === this.#state) return;
    const now = this.settings.timeline.now();
    if (this.#state === 'waiting' && next === 'running') {
      this.wait.record(
        between(present(this.#waitingSince, 'a waiting vcoproc has waited since an instant'), now),
      );
    }
    this.#waitingSince = next === 'waiting' ? now : undefined;
    this.#state = next;
    this.settings.trace({ at: now, kind: 'vcoproc', vcoproc: this.name, state: next });
  }

  ran(length: Duration): void {
    this.time = sum(this.time, length);
  }

  /** Its time since this was asked last: what it had outside of its stays is charged with the next one. */
  unsettled(): Duration {
    const length = (this.time - this.#settled) as Duration;
    this.#settled = this.time;
    return length;
  }

  /** Whether its guest may hear of anything now: it runs, and its registers are where it finds them. */
  get hears(): boolean {
    return this.settings.awake() && !this.window.moving;
  }

  /** `count` interrupts came from the coprocessor, on one line. Of a storm its guest hears as one. */
  interrupt(line: number, count: number): void {
    if (this.#state === 'gone' || this.#state === 'isolated') return;
    // A guest that hears of a command must find the registers as that command left them.
    if (!this.hears) {
      this.#held.push({ line, count });
      return;
    }
    this.#delivered += count;
    if (line === 0) {
      this.queues.drain();
      return;
    }
    this.settings.trace({
      at: this.settings.timeline.now(),
      kind: 'interrupt',
      vcoproc: this.name,
      number: line,
    });
    this.#handlers.call(line, count);
  }

  /** The domain takes interrupts again. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const { line, count } of held) this.interrupt(line, count);
    this.queues.wake();
  }

  /** Delivers what was held while the context moved, and what is pending in the image of one that is away, unless it is masked. */
  takePending(): void {
    this.release();
    if (this.window.lent) return;
    const mask = this.window.read(this.settings.platform.core.interruptMask);
    for (let line = 0; line < LINES; line++) {
      if ((mask & (1 << line)) !== 0) continue;
      const count = Atomics.exchange(this.#image.pending, line, 0);
      if (count > 0) this.interrupt(line, count);
    }
  }

  /** No translation older than `epoch` is in use. */
  invalidated(epoch: number): void {
    const done = this.#unmapping.filter((wait) => ((wait.epoch - epoch) | 0) <= 0);
    this.#unmapping = this.#unmapping.filter((wait) => !done.includes(wait));
    for (const wait of done) wait.done();
  }

  /**
   * The context came. An unmap that saw it on its way was not told to the coprocessor, which may have begun
   * with the new table: it is asked again.
   */
  arrived(): void {
    if (this.#unmapping.length === 0) return;
    this.#space.renewEpoch();
    this.settings.host.ring();
  }

  /** The context left the coprocessor: nothing uses its translations. */
  left(): void {
    // It is never loaded again: what its image says of the coprocessor is not true any more.
    if (this.#state === 'isolated') this.#image.renew();
    const done = this.#unmapping;
    this.#unmapping = [];
    for (const wait of done) wait.done();
  }

  /**
   * Its context was lost with the coprocessor: it begins anew, and whoever waits is told. Fails when there is no
   * memory for that; it is of no use then.
   */
  reset(reason: string): Outcome<void> {
    this.window.drop();
    const anew = allocated(`${this.name} after a reset`, () => this.queues.lose(reason));
    if (anew.kind === 'failed') return anew;
    this.left();
    this.#dropUndelivered();
    this.#image.renew();
    clear(new Uint8Array(this.#local.buffer));
    this.window.reset();
    this.move('RESET');
    if (this.queues.outstanding === 0) this.move('DRAINED');
    return anew;
  }

  /** How long the command at the end of a slice has had the coprocessor since the end of its first slice. */
  commandTime(command: UnderWay | undefined): Duration {
    const before = this.#longest.command;
    if (command === undefined || before?.queue !== command.queue || before.sequence !== command.sequence)
      this.#longest = { command, since: this.time };
    return (this.time - this.#longest.since) as Duration;
  }

  /** It never gets the coprocessor again. Its context may still be there, and leaves it. */
  isolate(reason: string): void {
    if (this.#state === 'isolated' || this.#state === 'gone') return;
    this.window.drop();
    this.queues.fail('failed', reason);
    this.move('ISOLATE');
    this.#dropUndelivered();
  }

  /** Its domain is over. Only after its context left the coprocessor. */
  destroy(reason: string): void {
    if (this.#state === 'gone') return;
    this.window.drop();
    this.queues.fail('cancelled', reason);
    this.left();
    this.move('DESTROY');
    this.#dropUndelivered();
  }

  get interrupts(): VcoprocReport['interrupts'] {
    const held = this.#held.reduce((total, { count }) => total + count, 0);
    const { raised, pending } = this.#image.interrupts(held);
    return { raised, delivered: this.#delivered, pending, dropped: this.#dropped };
  }

  /** Everything of it, as plain data. Only while its context is away and its domain hears nothing. */
  save(): SavedVcoproc {
    return {
      report: this.report,
      firmware: this.settings.firmwareName,
      digest: this.settings.firmware.digest,
      parameters: this.parameters,
      settled: this.#settled,
      longest: { ...this.#longest, command: this.#longest.command ?? null },
      guilt: this.guilt.save(),
      held: [...this.#held],
      image: new Uint8Array(this.#imageMemory).slice(),
      local: livePages(new Uint8Array(this.#local.buffer)).pages,
      space: this.#space.save(),
      window: this.window.save(),
      queues: this.queues.save(),
    };
  }

  /** Makes a new one what a saved one was, before any coprocessor knows of it. */
  restore(saved: SavedVcoproc): void {
    const { report, settled, longest, held, image, local, space, window, queues } = saved;
    new Uint8Array(this.#imageMemory).set(image);
    putPages(new Uint8Array(this.#local.buffer), local);
    this.#space.restore(space);
    this.window.restore(window);
    const front = this.#image.frontEnd;
    this.queues.restore(queues, front.active ? front : undefined);
    this.time = report.time;
    this.#settled = settled;
    this.overrun = report.overrun;
    this.slices = report.slices;
    this.#longest = { ...longest, command: longest.command ?? undefined };
    this.guilt.restore(saved.guilt, report);
    this.#held = [...held];
    this.#delivered = report.interrupts.delivered;
    this.#dropped = report.interrupts.dropped;
    if (report.state === 'isolated') this.move('ISOLATE');
  }

  get report(): VcoprocReport {
    return {
      id: this.name,
      domain: this.settings.domain,
      coproc: this.settings.coproc,
      firmware: this.settings.firmware.name,
      sha256: this.settings.firmware.sha256,
      state: this.#state,
      time: this.time,
      slices: this.slices,
      overrun: this.overrun,
      wait: this.wait.spread,
      commands: this.queues.counts,
      interrupts: this.interrupts,
      ...this.guilt.report,
    };
  }

  /** New work: the coprocessor finds it by itself while the window is mapped, else the hypervisor is told. */
  #kick(): void {
    if (this.#state === 'gone' || this.#state === 'isolated') return;
    if (this.window.mapped) this.settings.host.ring();
    else this.settings.host.onWake(this);
  }

  /** Whatever was raised and can reach nobody any more. */
  #dropUndelivered(): void {
    this.#held = [];
    this.#image.pending.fill(0);
    this.#dropped = this.#image.raised - this.#delivered;
  }
}
