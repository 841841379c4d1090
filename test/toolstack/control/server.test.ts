import fc from 'fast-check';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Instant } from '../../../src/base/units.ts';
import type { TraceEvent } from '../../../src/contract/events.ts';
import { domainId } from '../../../src/contract/names.ts';
import { connect, defaultSocket, type Connection } from '../../../src/toolstack/control/client.ts';
import { FrameDecoder, LARGEST_FRAME, encodeFrame } from '../../../src/toolstack/control/frame.ts';
import type { Reply } from '../../../src/toolstack/control/protocol.ts';
import { ControlServer, type Handler } from '../../../src/toolstack/control/server.ts';

let folder: string;
let socket: string;
let server: ControlServer | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'covisor-control-'));
  socket = join(folder, 'run', 'a.sock');
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

const echo: Handler = (verb, args) => Promise.resolve({ verb, args });
const listen = async (handle: Handler = echo): Promise<ControlServer> =>
  (server = await ControlServer.listen(socket, handle));

/** A peer that writes bytes, not requests. */
async function raw(): Promise<Socket & { readonly replies: Reply[] }> {
  const peer = Object.assign(createConnection(socket), { replies: [] as Reply[] });
  const decoder = new FrameDecoder(LARGEST_FRAME);
  peer.on('data', (piece) => peer.replies.push(...([...decoder.push(piece as Buffer)] as Reply[])));
  peer.on('error', () => {});
  await once(peer, 'connect');
  return peer;
}

/** Resolves when something is so; the events that make it so come by themselves. */
async function until(so: () => boolean): Promise<void> {
  while (!so()) await new Promise((resolve) => setImmediate(resolve));
}

const logged = (line: string): TraceEvent => ({
  at: 0 as Instant,
  kind: 'log',
  domain: domainId('a'),
  line,
});

describe('a hypervisor that is there and says nothing', () => {
  it('is given up by who asks, and waited for while it says how it is', async () => {
    let patient = true;
    let pings = 0;
    const answers = new Promise<never>(() => {});
    await listen((verb) => {
      if (verb !== 'info' || !patient) return answers;
      pings += 1;
      return Promise.resolve({});
    });
    const connection = await connect({ socket, patience: 20 });
    let over = false;
    const asked = connection.ask('checkpoint', { folder: '/x', stop: false }).finally(() => (over = true));
    await until(() => pings > 2);
    expect(over).toBe(false);
    patient = false;
    await expect(asked).rejects.toThrow(/does not answer/);
  });
});

describe('the control socket', () => {
  it('is its owner’s alone', async () => {
    await listen();
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'run')).mode & 0o777).toBe(0o700);
  });

  it('is in the runtime directory, or in one of the user’s own', () => {
    const { XDG_RUNTIME_DIR: before } = process.env;
    try {
      process.env['XDG_RUNTIME_DIR'] = '/run/user/7';
      expect(defaultSocket()).toBe('/run/user/7/covisor.sock');
      process.env['XDG_RUNTIME_DIR'] = '';
      expect(defaultSocket()).toMatch(/covisor-\d+\/covisor\.sock$/);
    } finally {
      if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
      else process.env['XDG_RUNTIME_DIR'] = before;
    }
  });

  it('takes one hypervisor, and is taken over from a dead one', async () => {
    await listen();
    await expect(ControlServer.listen(socket, echo)).rejects.toThrow(/listens on .*a\.sock already; stop it/);
    await server?.close();
    // Bound, then closed under another name: nobody listens and the file stays, as after a kill.
    const dead = createServer().listen(join(folder, 'dead.sock'));
    await once(dead, 'listening');
    renameSync(join(folder, 'dead.sock'), socket);
    await new Promise((resolve) => dead.close(resolve));
    expect(statSync(socket).isSocket()).toBe(true);
    await listen();
    const client = await connect({ socket });
    expect(await client.ask('info', {})).toEqual({ verb: 'info', args: {} });
    client.close();
  });

  it('replaces no file that is not a socket', async () => {
    socket = join(folder, 'notes.txt');
    writeFileSync(socket, 'mine');
    await expect(listen()).rejects.toThrow(/is no socket/);
    expect(statSync(socket).size).toBe(4);
  });

  it('says so when nobody is there', async () => {
    await expect(connect({ socket })).rejects.toThrow(
      /no hypervisor listens on .*; start one with covisor up/,
    );
  });
});

describe('requests', () => {
  it('of a hundred clients at once are all answered, each to whom it asked', async () => {
    await listen();
    const clients = await Promise.all(Array.from({ length: 100 }, () => connect({ socket })));
    const answers = await Promise.all(
      clients.flatMap((client, n) =>
        Array.from({ length: 20 }, (_, m) => client.ask('pause', { domain: `${n}-${m}` })),
      ),
    );
    const asked = clients.flatMap((_, n) => Array.from({ length: 20 }, (_unused, m) => `${n}-${m}`));
    expect(answers.map((answer) => (answer as unknown as { args: { domain: string } }).args.domain)).toEqual(
      asked,
    );
    for (const client of clients) client.close();
    await until(() => server?.clients === 0);
  });

  it('of the wrong shape are refused with their number, and the next is heard', async () => {
    const heard: string[] = [];
    await listen((verb) => {
      heard.push(verb);
      return Promise.resolve(null);
    });
    const peer = await raw();
    const wrong: unknown[] = [
      null,
      [],
      'pause',
      {},
      { id: 1, verb: 'explode', args: {} },
      { id: 2, verb: 'pause', args: {} },
      { id: 3, verb: 'pause', args: { domain: 7 } },
      { id: 4, verb: 'pause', args: { domain: 'a', force: true } },
      { id: -5, verb: 'info', args: {} },
      { id: 6, verb: 'toString', args: {} },
      { id: 7, verb: 'sched', args: { coproc: 'gpu0', timesliceUs: NaN } },
      { id: 8, verb: 'create', args: { file: 'x'.repeat(5000) } },
      { id: 9, verb: 'info', args: { ['__proto__']: 1 }, more: 1 },
    ];
    for (const value of wrong) peer.write(encodeFrame(value));
    peer.write(encodeFrame({ id: 99, verb: 'info', args: {} }));
    await until(() => peer.replies.length === wrong.length + 1);
    expect(peer.replies.slice(0, -1).map((reply) => 'ok' in reply && reply.ok)).toEqual(
      wrong.map(() => false),
    );
    expect(peer.replies.map((reply) => ('id' in reply ? reply.id : -1))).toEqual([
      0, 0, 0, 0, 1, 2, 3, 4, 0, 6, 7, 8, 9, 99,
    ]);
    expect(heard).toEqual(['info']);
    peer.destroy();
  });

  it('in random bytes end their connection with a reason, and nobody else’s', async () => {
    await listen();
    const other = await connect({ socket });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 5, maxLength: 100 }), async (bytes) => {
        const peer = await raw();
        const closed = once(peer, 'close');
        // A version that is none: no random length makes it wait for more.
        bytes[4] = 0xff;
        peer.write(bytes);
        await closed;
        expect(peer.replies).toEqual([{ id: 0, ok: false, error: 'version 255; expected 1' }]);
      }),
      { numRuns: 40 },
    );
    expect(await other.ask('info', {})).toEqual({ verb: 'info', args: {} });
    other.close();
  });

  it('that come in one piece before rubbish are answered, then the rest is refused', async () => {
    const answers: (() => void)[] = [];
    await listen((_verb, args) => new Promise((resolve) => answers.push(() => resolve(args))));
    const peer = await raw();
    const closed = once(peer, 'close');
    const good = [1, 2].map((id) => encodeFrame({ id, verb: 'pause', args: { domain: `d${id}` } }));
    const rubbish = Buffer.from([0, 0, 0, 0, 0xff]);
    peer.write(Buffer.concat([...good, rubbish, ...good]));
    await until(() => answers.length === 2);
    for (const answer of answers) answer();
    await closed;
    expect(peer.replies).toEqual([
      { id: 1, ok: true, value: { domain: 'd1' } },
      { id: 2, ok: true, value: { domain: 'd2' } },
      { id: 0, ok: false, error: 'version 255; expected 1' },
    ]);
    expect(answers).toHaveLength(2);
  });

  it('cut off in the middle, or left before their answer, harm nobody', async () => {
    let answer = (): void => {};
    let asked = 0;
    await listen((verb) => {
      asked++;
      return verb === 'info' ? new Promise((resolve) => (answer = () => resolve(null))) : Promise.resolve(7);
    });
    const half = await raw();
    half.write(encodeFrame({ id: 1, verb: 'dump', args: {} }).subarray(0, 9));
    const gone = await raw();
    gone.write(encodeFrame({ id: 1, verb: 'info', args: {} }));
    await until(() => asked === 1);
    gone.destroy();
    half.destroy();
    await until(() => server?.clients === 0);
    answer();
    const client = await connect({ socket });
    expect(await client.ask('dump', {})).toBe(7);
    expect(asked).toBe(2);
    client.close();
  });

  it('that wait are rejected when the hypervisor ends, and those after it', async () => {
    await listen(() => new Promise(() => {}));
    const client = await connect({ socket });
    const waits = expect(client.pause('a')).rejects.toThrow('the hypervisor ended the connection');
    await until(() => server?.clients === 1);
    await server?.close();
    await waits;
    await client.closed;
    await expect(client.pause('a')).rejects.toThrow('the hypervisor ended the connection');
  });

  it('of more clients than are taken are turned away with the reason', async () => {
    await listen();
    const clients: Connection[] = [];
    for (let n = 0; n < 256; n++) clients.push(await connect({ socket }));
    await until(() => server?.clients === 256);
    const late = await raw();
    await once(late, 'close');
    expect(late.replies).toEqual([{ id: 0, ok: false, error: '256 clients are connected already' }]);
    expect(await clients[255]!.ask('info', {})).toMatchObject({ verb: 'info' });
    for (const client of clients) client.close();
    await until(() => server?.clients === 0);
  });
});

describe('events', () => {
  it('reach who follows, from then on, and nobody else', async () => {
    const running = await listen(() => Promise.resolve(null));
    const [follows, does] = [await connect({ socket }), await connect({ socket })];
    const heard: unknown[] = [];
    running.publish(logged('before'));
    const stop = await follows.follow((event) => heard.push(event));
    running.publish(logged('one'));
    running.publish(logged('two'));
    await until(() => heard.length === 2);
    expect(heard).toEqual([logged('one'), logged('two')]);
    stop();
    running.publish(logged('three'));
    await follows.ask('info', {});
    await does.ask('info', {});
    expect(heard).toHaveLength(2);
    follows.close();
    does.close();
  });

  it('pile up for nobody: a slow reader learns how many it missed, a quick one misses none', async () => {
    const running = await listen(() => Promise.resolve(null));
    const slow = await raw();
    slow.write(encodeFrame({ id: 1, verb: 'events', args: {} }));
    await until(() => slow.replies.length === 1);
    slow.pause();
    const quick = await connect({ socket });
    let heard = 0;
    await quick.follow((event) => (heard += 'kind' in event ? 1 : 0));
    const line = 'x'.repeat(1000);
    const sent = 6000;
    for (let n = 0; n < sent; n++) {
      running.publish(logged(line));
      if (n % 100 === 0) await until(() => heard === n + 1);
    }
    await until(() => heard === sent);
    slow.resume();
    const taken = (): number => slow.replies.filter((reply) => 'event' in reply).length;
    await until(() => taken() > 1000);
    // The next event that it can take comes after the count of those it could not.
    await until(() => {
      running.publish(logged('last'));
      return slow.replies.some((reply) => 'lost' in reply);
    });
    const [lost] = slow.replies.filter((reply) => 'lost' in reply);
    expect(lost).toMatchObject({ lost: expect.any(Number) });
    expect(taken()).toBeLessThan(sent);
    slow.destroy();
    quick.close();
  });
});
