import { createConnection, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { TraceEvent } from '../../contract/events.ts';
import { FrameDecoder, encodeFrame } from './frame.ts';
import type { Answers, Args, Reply, Verb } from './protocol.ts';

/** Where a hypervisor listens when nobody says otherwise: in the user's runtime directory. */
export function defaultSocket(): string {
  const { XDG_RUNTIME_DIR } = process.env;
  return join(XDG_RUNTIME_DIR ?? join(tmpdir(), `covisor-${userInfo().uid}`), 'covisor.sock');
}

/** The hypervisor refused, or could not do, what it was asked. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

/** Nobody is there to be asked. */
export class NotRunningError extends Error {
  override readonly name = 'NotRunningError';
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A connection to a running hypervisor, with the verbs of the command line, typed. Requests may overlap;
 * each is answered or, when the connection ends, rejected.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #waiting = new Map<number, Waiting>();
  readonly #followers: ((event: TraceEvent | { readonly lost: number }) => void)[] = [];
  readonly closed: Promise<void>;
  #next = 1;
  #reason: Error = new NotRunningError('the hypervisor ended the connection');

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece) => this.#onData(piece as Buffer));
    socket.on('error', (error) => (this.#reason = error));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject } of this.#waiting.values()) reject(this.#reason);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  /** Asks for one thing. Rejects with a {@link ControlError} that says why it was not done. */
  ask<V extends Verb>(verb: V, args: Args<V>): Promise<Answers[V]> {
    const id = this.#next++;
    return new Promise<Answers[V]>((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(this.#reason);
        return;
      }
      this.#waiting.set(id, { resolve: (value) => resolve(value as Answers[V]), reject });
      this.#socket.write(encodeFrame({ id, verb, args }));
    });
  }

  /** Hears every event from now on, and how many it was too slow for. */
  async follow(follower: (event: TraceEvent | { readonly lost: number }) => void): Promise<void> {
    this.#followers.push(follower);
    await this.ask('events', {});
  }

  close(): void {
    this.#socket.end();
  }

  #onData(piece: Buffer): void {
    try {
      for (const value of this.#decoder.push(piece)) this.#onReply(value as Reply);
    } catch (error) {
      this.#reason = error instanceof Error ? error : new Error(String(error));
      this.#socket.destroy();
    }
  }

  #onReply(reply: Reply): void {
    if ('event' in reply) for (const follower of this.#followers) follower(reply.event);
    else if ('lost' in reply) for (const follower of this.#followers) follower(reply);
    else {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.ok) waiting?.resolve(reply.value);
      else waiting?.reject(new ControlError(reply.error));
    }
  }
}

/** Connects to the hypervisor that listens on `socket`. Rejects with a {@link NotRunningError} when none does. */
export function connect({
  socket = defaultSocket(),
}: { readonly socket?: string } = {}): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const stream = createConnection(socket);
    stream.once('connect', () => {
      stream.removeAllListeners('error');
      resolve(new Connection(stream));
    });
    stream.once('error', () => {
      reject(new NotRunningError(`no hypervisor listens on ${socket}; start one with covisor up SYSTEM`));
    });
  });
}
