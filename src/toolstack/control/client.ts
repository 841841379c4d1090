import { createConnection, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { TraceEvent } from '../../contract/events.ts';
import { everyMilliseconds } from '../../runtime/threads/ticker.ts';
import type { SchedulerParameters } from '../../contract/scheduler.ts';
import { FrameDecoder, LARGEST_FRAME, encodeFrame } from './frame.ts';
import type { Answers, Args, CheckpointTaken, Reply, SystemState, Verb } from './protocol.ts';

/** Where a hypervisor listens when nobody says otherwise: in the user's runtime directory. */
export function defaultSocket(): string {
  const { XDG_RUNTIME_DIR = '' } = process.env;
  const folder = XDG_RUNTIME_DIR === '' ? join(tmpdir(), `covisor-${userInfo().uid}`) : XDG_RUNTIME_DIR;
  return join(folder, 'covisor.sock');
}

/** Why a path cannot be one of a socket, if it cannot. */
export const badSocketPath = (path: string): string | undefined =>
  Buffer.byteLength(path) > LONGEST_PATH
    ? `${path} is too long for a socket; expected ${LONGEST_PATH} bytes at most, name another --socket`
    : undefined;

/** The hypervisor refused, or could not do, what it was asked. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

/** Nobody is there to be asked. */
export class NotRunningError extends Error {
  override readonly name = 'NotRunningError';
}

/** It is there and answers nothing. */
export class SilentError extends NotRunningError {}

/** Whoever has answered nothing for so long is asked how it is, and has as long again for that. */
const PATIENCE_MS = 10_000;
/** The longest path that a socket may have, in bytes. Source: `sun_path` of unix(7), with its end. */
const LONGEST_PATH = 107;

/** An event of a running hypervisor, or how many the reader was too slow for. */
export type Followed = TraceEvent | { readonly lost: number };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A connection to a running hypervisor, with the verbs of the command line as methods. Requests may overlap;
 * each is answered or, when the connection ends, rejected. What the hypervisor does not do rejects with a
 * {@link ControlError} that says why.
 *
 *     const hypervisor = await connect();
 *     await hypervisor.pause('red');
 *     await hypervisor.schedule('gpu0', 'blue', { weight: 512 });
 *     hypervisor.close();
 */
export class Connection {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder(LARGEST_FRAME);
  readonly #waiting = new Map<number, Waiting>();
  readonly #followers = new Set<(event: Followed) => void>();
  readonly #patience: number;
  #heard = true;
  #stopLooking: (() => void) | undefined;
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>;
  #next = 1;
  #reason: Error = new NotRunningError('the hypervisor ended the connection');

  constructor(socket: Socket, patience = PATIENCE_MS) {
    this.#socket = socket;
    this.#patience = patience;
    socket.on('data', (piece) => this.#onData(piece as Buffer));
    // However it ended: `close` follows.
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#stopLooking?.();
        for (const { reject } of this.#waiting.values()) reject(this.#reason);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  /** What runs, and what this build has. */
  info(): Promise<Answers['info']> {
    return this.ask('info', {});
  }

  /** Coprocessors, vcoprocs and domains at one instant. */
  state(): Promise<SystemState> {
    return this.ask('state', {});
  }

  async list(): Promise<SystemState['domains']> {
    return (await this.state()).domains;
  }

  async coprocs(): Promise<SystemState['coprocs']> {
    return (await this.state()).coprocs;
  }

  async vcoprocs(): Promise<SystemState['vcoprocs']> {
    return (await this.state()).vcoprocs;
  }

  /** Creates and starts a domain from a domain file of the hypervisor's machine, by its absolute path. */
  async create(file: string): Promise<string> {
    return (await this.ask('create', { file })).domain;
  }

  /** Ends a domain at once, whatever it does; resolves when everything is given back. */
  async destroy(domain: string): Promise<void> {
    await this.ask('destroy', { domain });
  }

  async pause(domain: string): Promise<void> {
    await this.ask('pause', { domain });
  }

  async unpause(domain: string): Promise<void> {
    await this.ask('unpause', { domain });
  }

  /** Clears what one vcoproc has, whatever it is doing: what is outstanding fails, nobody else notices. */
  async reset(domain: string, coproc: string): Promise<void> {
    await this.ask('reset', { domain, coproc });
  }

  /** Changes how long a coprocessor is waited for; what is not named stays. */
  async watchdog(coproc: string, change: Omit<Args<'watchdog'>, 'coproc'>): Promise<void> {
    await this.ask('watchdog', { coproc, ...change });
  }

  /** Destroys a domain and starts it again, with the vcoprocs and parameters that it has now. */
  async reboot(domain: string): Promise<void> {
    await this.ask('reboot', { domain });
  }

  /** Asks a domain to end; one that does not listen is destroyed. */
  async shutdown(domain: string): Promise<void> {
    await this.ask('shutdown', { domain });
  }

  async attach(
    domain: string,
    coproc: string,
    { firmware, ...parameters }: { readonly firmware: string } & SchedulerParameters,
  ): Promise<void> {
    await this.ask('attach', { domain, coproc, firmware, parameters });
  }

  async detach(domain: string, coproc: string): Promise<void> {
    await this.ask('detach', { domain, coproc });
  }

  /** Changes who decides for a coprocessor, and the length of its slices. */
  async reschedule(coproc: string, change: Omit<Args<'sched'>, 'coproc' | 'domain'>): Promise<void> {
    await this.ask('sched', { coproc, ...change });
  }

  /** Changes what a coprocessor's scheduler knows of one domain. */
  async schedule(coproc: string, domain: string, parameters: SchedulerParameters): Promise<void> {
    await this.ask('sched', { coproc, domain, parameters: { ...parameters } });
  }

  /** Injects one fault, as a fault plan has it, into a system that takes faults; answers it in words. */
  inject(fault: object): Promise<string> {
    return this.ask('inject', { fault: { ...fault } });
  }

  /** What became of each fault of a system that takes faults. */
  faults(): Promise<Answers['faults']> {
    return this.ask('faults', {});
  }

  dmesg(): Promise<Answers['dmesg']> {
    return this.ask('dmesg', {});
  }

  /** State and log at one instant. */
  dump(): Promise<Answers['dump']> {
    return this.ask('dump', {});
  }

  /** Writes a crash dump of a coprocessor, and of the context that it holds, into a file of the hypervisor's machine. */
  async dumpCoproc(coproc: string, file: string): Promise<void> {
    await this.ask('dumpCoproc', { coproc, file });
  }

  /**
   * Saves the whole system into a folder of the hypervisor's machine, by its absolute path. It goes on, unless
   * `stop`: then its domains stay as they were saved, until `down`.
   */
  checkpoint(folder: string, { stop = false }: { readonly stop?: boolean } = {}): Promise<CheckpointTaken> {
    return this.ask('checkpoint', { folder, stop });
  }

  /** Hears every event from now on, and how many it was too slow for. Answers a function that ends it. */
  async follow(follower: (event: Followed) => void): Promise<() => void> {
    this.#followers.add(follower);
    await this.ask('events', {});
    return () => void this.#followers.delete(follower);
  }

  /** Ends all domains and the hypervisor; resolves when it is down. */
  async down(): Promise<void> {
    await this.ask('down', {});
    // It is down when it hangs up.
    await this.closed;
  }

  /** Asks for one thing, by its verb. */
  ask<V extends Verb>(verb: V, args: Args<V>): Promise<Answers[V]> {
    const id = this.#next++;
    return new Promise<Answers[V]>((resolve, reject) => {
      if (this.#socket.destroyed || !this.#socket.writable) {
        reject(this.#reason);
        return;
      }
      this.#waiting.set(id, { resolve: (value) => resolve(value as Answers[V]), reject });
      this.#socket.write(encodeFrame({ id, verb, args }));
      this.#stopLooking ??= everyMilliseconds(this.#patience, () => this.#look());
    });
  }

  /** What is asked may take long; that the hypervisor is there can be said at any time. */
  #look(): void {
    if (this.#heard) {
      this.#heard = false;
      this.#socket.write(encodeFrame({ id: this.#next++, verb: 'info', args: {} }));
      return;
    }
    this.#reason = new SilentError(
      'the hypervisor does not answer: something keeps its thread, perhaps a guest that never awaits; end its process',
    );
    this.#socket.destroy();
  }

  close(): void {
    this.#socket.end();
  }

  #onData(piece: Buffer): void {
    this.#heard = true;
    try {
      for (const value of this.#decoder.push(piece)) this.#onReply(value as Reply);
    } catch (error) {
      this.#reason = error instanceof Error ? error : new Error(String(error));
      this.#socket.destroy();
    }
  }

  #onReply(reply: Reply): void {
    if ('event' in reply) this.#tell(reply.event);
    else if ('lost' in reply) this.#tell(reply);
    else if (!reply.ok && reply.id === 0) this.#reason = new ControlError(reply.error);
    else {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.ok) waiting?.resolve(reply.value);
      else waiting?.reject(new ControlError(reply.error));
      if (this.#waiting.size > 0) return;
      this.#stopLooking?.();
      this.#stopLooking = undefined;
    }
  }

  #tell(event: Followed): void {
    for (const follower of this.#followers) follower(event);
  }
}

/**
 * Connects to the hypervisor that listens on `socket`. Rejects with a {@link NotRunningError} when none does. One that
 * says nothing for twice `patience` milliseconds while something is asked of it counts as silent: a {@link SilentError}.
 */
export function connect({
  socket = defaultSocket(),
  patience = PATIENCE_MS,
}: { readonly socket?: string; readonly patience?: number } = {}): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const stream = createConnection(socket);
    const fail = ({ code }: NodeJS.ErrnoException): void =>
      reject(
        new NotRunningError(
          code === 'EACCES'
            ? `${socket} belongs to another user; expected a hypervisor of your own`
            : `no hypervisor listens on ${socket}; start one with covisor up SYSTEM`,
        ),
      );
    stream.once('error', fail);
    stream.once('connect', () => {
      stream.off('error', fail);
      resolve(new Connection(stream, patience));
    });
  });
}
