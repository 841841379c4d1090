import { chmodSync, rmSync, statSync } from 'node:fs';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { z } from 'zod';
import { makeFolder } from '../files.ts';
import { messageOf } from '../../base/said.ts';
import type { TraceEvent } from '../../contract/events.ts';
import { UsageError } from '../usage.ts';
import { FrameDecoder, FrameError, encodeFrame } from './frame.ts';
import { VERBS, requestSchema, type Reply, type Verb } from './protocol.ts';

/** More clients than this at once are turned away. */
const MOST_CLIENTS = 256;
/** The largest request, in bytes. A client may hold so much memory by not finishing it. */
const LARGEST_REQUEST = 64 * 1024;
/** Requests of one client that may be under way; more wait in its own socket. */
const MOST_REQUESTS = 64;
/** A client that leaves so many bytes unread gets no events until it reads. */
const SLOW_READER = 1024 * 1024;
/** One that leaves so many unread is let go. */
const STUCK_READER = 16 * 1024 * 1024;

/** Does what a verb says. Throws an error whose message is for the person who asked. */
export type Handler = (verb: Verb, args: unknown) => Promise<unknown>;

/** Listens for toolstack commands on a Unix domain socket that only its owner may use. */
export class ControlServer {
  readonly #server: Server;
  readonly #clients = new Set<Client>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Refuses a path on which somebody answers; clears what a dead one left. */
  static async listen(path: string, handle: Handler): Promise<ControlServer> {
    prepareFolder(dirname(path));
    const server = createServer();
    const control = new ControlServer(server);
    server.on('connection', (socket) => control.#connect(socket, handle));
    // To listen comes first: of two that start at once, one finds the path taken.
    if (!(await listens(server, path))) {
      if (await somebodyAnswers(path)) {
        throw new UsageError(
          `a hypervisor listens on ${path} already; stop it with covisor down, or name another --socket`,
        );
      }
      if (!statSync(path).isSocket())
        throw new UsageError(`${path} is there and is no socket; name another --socket`);
      rmSync(path, { force: true });
      if (!(await listens(server, path)))
        throw new UsageError(`another hypervisor starts on ${path}; name another --socket`);
    }
    return control;
  }

  /** Tells those who follow. */
  publish(event: TraceEvent): void {
    for (const client of this.#clients) client.tell(event);
  }

  get clients(): number {
    return this.#clients.size;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const client of this.#clients) client.end();
    await closed;
  }

  #connect(socket: Socket, handle: Handler): void {
    if (this.#clients.size >= MOST_CLIENTS) {
      socket.on('error', () => socket.destroy());
      socket.end(encodeFrame({ id: 0, ok: false, error: `${MOST_CLIENTS} clients are connected already` }));
      socket.destroySoon();
      return;
    }
    const client = new Client(socket, handle);
    this.#clients.add(client);
    socket.on('close', () => this.#clients.delete(client));
  }
}

class Client {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder(LARGEST_REQUEST);
  readonly #handle: Handler;
  #underWay = 0;
  /** What came in that is no frame: it is said when the requests before it are answered. */
  #refusal: FrameError | undefined;
  #follows = false;
  #over = false;
  #lost = 0;

  constructor(socket: Socket, handle: Handler) {
    this.#socket = socket;
    this.#handle = handle;
    socket.on('data', (piece) => this.#onData(piece as Buffer));
    // A peer that goes away is no news; `close` follows.
    socket.on('error', () => socket.destroy());
  }

  tell(event: TraceEvent): void {
    if (!this.#follows) return;
    if (this.#socket.writableLength > SLOW_READER) {
      this.#lost++;
      return;
    }
    if (this.#lost > 0) this.#send({ lost: this.#lost });
    this.#lost = 0;
    this.#send({ event });
  }

  end(): void {
    this.#over = true;
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #onData(piece: Buffer): void {
    if (this.#over || this.#refusal !== undefined) return;
    try {
      for (const value of this.#decoder.push(piece)) this.#onRequest(value);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#refusal = error;
      this.#refuseTheRest();
    }
  }

  #refuseTheRest(): void {
    if (this.#refusal === undefined || this.#underWay > 0 || this.#over) return;
    this.#send({ id: 0, ok: false, error: this.#refusal.message });
    this.end();
  }

  #onRequest(value: unknown): void {
    const request = requestSchema.safeParse(value);
    if (!request.success) {
      this.#send({ id: idOf(value), ok: false, error: `no request: ${oneLine(request.error)}` });
      return;
    }
    const { id, verb, args } = request.data;
    const checked = VERBS[verb].safeParse(args);
    if (!checked.success) {
      this.#send({ id, ok: false, error: `${verb}: ${oneLine(checked.error)}` });
      return;
    }
    if (verb === 'events') this.#follows = true;
    if (++this.#underWay >= MOST_REQUESTS) this.#socket.pause();
    void this.#handle(verb, checked.data)
      .then(
        (answer) => this.#send({ id, ok: true, value: answer ?? null }),
        (error: unknown) => this.#send({ id, ok: false, error: messageOf(error) }),
      )
      .finally(() => {
        if (--this.#underWay < MOST_REQUESTS) this.#socket.resume();
        this.#refuseTheRest();
      });
  }

  #send(reply: Reply): void {
    if (this.#socket.destroyed) return;
    if (this.#socket.writableLength > STUCK_READER) {
      this.#socket.destroy();
      return;
    }
    let frame: Buffer;
    try {
      frame = encodeFrame(reply);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      frame = encodeFrame({
        id: 'id' in reply ? reply.id : 0,
        ok: false,
        error: `the answer is too large: ${error.message}`,
      });
    }
    this.#socket.write(frame);
  }
}

const oneLine = (error: z.ZodError): string => z.prettifyError(error).replace(/\s+/g, ' ');

function idOf(value: unknown): number {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : 0;
  return typeof id === 'number' && Number.isSafeInteger(id) && id >= 0 ? id : 0;
}

/** Makes the folder of a socket, for its owner only, and refuses one that another user made. */
function prepareFolder(folder: string): void {
  makeFolder(folder, 0o700);
  const { uid } = statSync(folder);
  const own = process.getuid?.() ?? uid;
  if (uid !== own && uid !== 0)
    throw new UsageError(`${folder} belongs to another user; name a --socket in a folder of your own`);
}

/** Listens on a path, unless it is taken. Nobody else may connect, not even before the mode is set. */
async function listens(server: Server, path: string): Promise<boolean> {
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    });
    chmodSync(path, 0o600);
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') return false;
    throw new UsageError(`cannot listen on ${path}: ${message}; name another --socket`);
  } finally {
    process.umask(mask);
  }
}

/** Whether somebody accepts connections on a path. */
function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
