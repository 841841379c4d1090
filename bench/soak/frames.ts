import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../../src/base/random.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import { ThreadsRuntime } from '../../src/runtime/threads/runtime.ts';
import { connect } from '../../src/toolstack/control/client.ts';
import { encodeFrame } from '../../src/toolstack/control/frame.ts';
import { VERBS } from '../../src/toolstack/control/protocol.ts';
import { ControlServer } from '../../src/toolstack/control/server.ts';
import { readSystem } from '../../src/toolstack/known.ts';
import { ResidentSystem } from '../../src/toolstack/resident.ts';

/** Connections that write at once. */
const PEERS = 16;
/** Connections after which somebody honest asks. */
const HONEST_EVERY = 1000;
/** Nothing takes that long unless it hangs. */
const HANG_MS = 60_000;
/** What a heap may grow by between the first tenth and the end, in bytes: less than 20 for each of a million inputs. */
const LEAK = 16 * 2 ** 20;

type Draw = ReturnType<typeof seededRandom>;

/** Inputs of every kind to the control socket of a running hypervisor: it answers the honest, and forgets the others. */
export async function frames(seed: number, count = 1_000_000): Promise<object> {
  const folder = systemFolder();
  const socket = join(folder, 'c.sock');
  const runtime = new ThreadsRuntime(seed);
  let publish = (_event: TraceEvent): void => {};
  const resident = await ResidentSystem.start({
    system: readSystem(folder),
    runtime,
    seed,
    socket,
    onEvent: (event) => publish(event),
  });
  let carriedOut = 0;
  let refused = 0;
  const server = await ControlServer.listen(socket, async (verb, args) => {
    if (verb === 'events' || verb === 'down') return null;
    try {
      const answer = await (resident.verbs[verb] as (given: unknown) => unknown)(args);
      carriedOut++;
      return answer;
    } catch (error) {
      refused++;
      throw error;
    }
  });
  publish = server.publish.bind(server);
  let over = (): void => {};
  const driven = runtime.drive(new Promise<void>((resolve) => (over = resolve)));
  driven.catch((error: unknown) => {
    throw error;
  });

  const random = seededRandom(seed);
  const valid = validInputs(folder);
  const honest = await connect({ socket });
  let inputs = 0;
  let connections = 0;
  const peers = async (limit: number): Promise<void> => {
    while (inputs < limit) {
      const pieces = Array.from({ length: random.below(9) }, () => wellFramed(random, valid));
      inputs += pieces.length + 1;
      await withinTime(write(socket, pieces, last(random, valid), random.below(20) === 0));
      if (++connections % HONEST_EVERY === 0) await withinTime(honest.info());
    }
  };
  const until = async (limit: number): Promise<number> => {
    await Promise.all(Array.from({ length: PEERS }, () => peers(limit)));
    while (server.clients > 1) await withinTime(honest.info());
    await withinTime(honest.state());
    return settledHeap();
  };
  const early = await until(count / 10);
  const late = await until(count);
  honest.close();
  await withinTime(resident.close());
  over();
  await server.close();
  rmSync(folder, { recursive: true });
  const mib = (size: number): number => Math.round((size / 2 ** 20) * 10) / 10;
  const found = {
    inputs,
    connections,
    carriedOut,
    refused,
    heapMiB: [mib(early), mib(late)],
    rssMiB: mib(process.memoryUsage().rss),
  };
  if (late - early > LEAK) throw new Error(`frames, seed ${seed}: a leak, ${JSON.stringify(found)}`);
  return found;
}

/** Writes and leaves; a deaf one never reads what it is answered. */
function write(path: string, pieces: readonly Buffer[], end: Buffer, deaf: boolean): Promise<void> {
  return new Promise((resolve) => {
    const peer = createConnection(path);
    // The other side may hang up at any moment: that is what `close` tells.
    peer.on('error', () => {}).on('close', () => resolve());
    const first = Buffer.concat(pieces);
    if (deaf) peer.write(first, () => peer.destroy());
    else if (first.length === 0) peer.resume().end(end);
    else {
      // Apart, once the first is answered: requests in one piece with rubbish are not heard.
      peer.write(first);
      peer.once('data', () => peer.end(end)).resume();
    }
  });
}

async function withinTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${HANG_MS / 1000} s: it hangs`)), HANG_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** What the heap holds when all that can be collected is. */
async function settledHeap(): Promise<number> {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  for (let turn = 0; turn < 3; turn++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}

/** Arguments that each verb takes, of domains and coprocessors that are there, were there, or never were. */
function validInputs(folder: string): (draw: Draw) => { verb: string; args: Record<string, unknown> } {
  const cheap = 'info state dmesg events pause unpause shutdown detach attach sched down'.split(' ');
  const dear = 'create create create reboot dump destroy'.split(' ');
  return (draw) => {
    const of = <T>(all: readonly T[]): T => all[draw.below(all.length)]!;
    const domain = of(['left', 'right', 'third', 'nobody']);
    const coproc = of(['gpu0', 'gpu0', 'gpu7']);
    const parameters = of([{}, { weight: draw.below(70_000) }, { wieght: 'x' }]);
    const args: Record<string, Record<string, unknown>> = {
      create: {
        file: join(folder, of(['domains/left.cfg', 'domains/right.cfg', 'more/third.cfg', 'none.cfg'])),
      },
      attach: { domain, coproc, firmware: of(['noop', 'spin', 'nothing', '/dev/null']), parameters },
      detach: { domain, coproc },
      sched: of<Record<string, unknown>>([
        { coproc, domain, parameters },
        { coproc, timesliceUs: 1 + draw.below(5000) },
        {
          coproc,
          algorithm: of(['credit', 'fair', 'edf', 'nothing', './none.mjs']),
          domains: { [domain]: parameters },
        },
      ]),
    };
    const verb = draw.below(20) === 0 ? of(dear) : of(cheap);
    const plain = /^(?:destroy|pause|unpause|reboot|shutdown)$/.test(verb) ? { domain } : {};
    return { verb, args: args[verb] ?? plain };
  };
}

/** A frame whose connection goes on after it: a request, or a value that is none. */
function wellFramed(draw: Draw, valid: ReturnType<typeof validInputs>): Buffer {
  const { verb, args } = valid(draw);
  const id = draw.below(1000);
  switch (draw.below(4)) {
    case 0:
      return encodeFrame(anything(draw, 3));
    case 1:
      return encodeFrame({
        id,
        verb: Object.keys(VERBS)[draw.below(15)],
        args: { [word(draw)]: anything(draw, 2) },
      });
    case 2:
      return encodeFrame({ id, verb, args: { ...args, [Object.keys(args)[0] ?? 'x']: anything(draw, 2) } });
    default:
      return encodeFrame({ id, verb, args });
  }
}

/** What mostly ends its connection: rubbish, a half frame, a huge one, a damaged one. */
function last(draw: Draw, valid: ReturnType<typeof validInputs>): Buffer {
  const whole = wellFramed(draw, valid);
  switch (draw.below(5)) {
    case 0:
      return rubbish(draw, 1 + draw.below(200));
    case 1:
      return whole.subarray(0, draw.below(whole.length));
    case 2:
      whole.writeUInt32BE(draw.below(2 ** 31) * 2 + 1, 0);
      return whole;
    case 3:
      return Buffer.concat([whole.subarray(0, 5), rubbish(draw, whole.length - 5)]);
    default:
      for (let n = draw.below(3); n >= 0; n--) whole[5 + draw.below(whole.length - 5)] = draw.below(256);
      return whole;
  }
}

const rubbish = (draw: Draw, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => draw.below(256)));
const word = (draw: Draw): string =>
  ['domain', 'file', 'coproc', '__proto__', 'constructor', ''][draw.below(6)]!;

function anything(draw: Draw, depth: number): unknown {
  switch (draw.below(depth > 0 ? 9 : 6)) {
    case 0:
      return null;
    case 1:
      return draw.below(2 ** 31) - 2 ** 30;
    case 2:
      return [NaN, Infinity, -0, 0.5, 2 ** 60][draw.below(5)];
    case 3:
      return word(draw);
    case 4:
      return 'x'.repeat(draw.below(5000));
    case 5:
      return draw.below(2) === 0;
    case 6:
      return Array.from({ length: draw.below(4) }, () => anything(draw, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: draw.below(4) }, () => [word(draw), anything(draw, depth - 1)]),
      );
  }
}

/** A system whose domains wait until they are asked to end. */
function systemFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'covisor-soak-'));
  for (const name of ['domains', 'more', 'guests']) mkdirSync(join(folder, name));
  const domain = (name: string): string =>
    `name = "${name}"\nmemory = 1\nkernel = "guests/waits.mjs"\ncoproc = [ "gpu0, firmware=noop" ]\n`;
  writeFileSync(join(folder, 'system.dts'), BOARD);
  writeFileSync(
    join(folder, 'guests/waits.mjs'),
    'export default { main: (domain) => new Promise((resolve) => domain.onShutdown(resolve)) };\n',
  );
  for (const name of ['left', 'right']) writeFileSync(join(folder, `domains/${name}.cfg`), domain(name));
  writeFileSync(join(folder, 'more/third.cfg'), domain('third'));
  return folder;
}

const BOARD = `/dts-v1/;
/ {
	#address-cells = <1>;
	#size-cells = <1>;
	chosen {
		coprocessors {
			compatible = "covisor,shared-coprocessors";
			gpu0 { device = <&gpu>; scheduler = "credit"; };
		};
	};
	gpu: gpu@1000 { compatible = "covisor,tile-gpu"; reg = <0x1000 0x1000>; covisor,local-memory = <0x10000>; };
};
`;
