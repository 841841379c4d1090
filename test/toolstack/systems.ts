import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { main } from '../../src/toolstack/cli.ts';

export type Main = typeof main;

/** What one command line said and answered. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command line in this process, with streams that keep what they are given. */
export const covisor = (args: readonly string[], stream: { isTTY?: boolean } = {}): Promise<Said> =>
  saidBy(main, args, stream);

/** The same, of a build that is not this one. */
export async function saidBy(
  main: Main,
  args: readonly string[],
  stream: { isTTY?: boolean } = {},
): Promise<Said> {
  const stdout = recorder(stream);
  const stderr = recorder(stream);
  const code = await main(args, { stdout: stdout.stream, stderr: stderr.stream });
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}

function recorder({ isTTY = false }: { isTTY?: boolean }) {
  const pieces: string[] = [];
  const writable = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece.toString());
      done();
    },
  });
  const stream = Object.assign(writable, { isTTY, columns: 200, rows: 50 }) as unknown as NodeJS.WriteStream;
  return { stream, text: () => pieces.join('') };
}

export const SYSTEM = `/dts-v1/;
/ {
	model = "tiny";
	#address-cells = <1>;
	#size-cells = <1>;
	chosen {
		coprocessors {
			compatible = "covisor,shared-coprocessors";
			gpu0 { device = <&gpu>; scheduler = "round-robin"; timeslice-us = <1000>; };
		};
	};
	gpu: gpu@10000000 {
		compatible = "covisor,tile-gpu";
		reg = <0x10000000 0x1000>;
		covisor,local-memory = <0x10000>;
	};
};
`;

export const domainFile = (name: string, more = ''): string => `name = "${name}"
memory = 4
kernel = "guests/${name}.js"
coproc = [ "gpu0, firmware=noop" ]
${more}`;

/** A guest that sends squares through the coprocessor and checks what comes back. */
export const SQUARES = `export default {
  async main(domain) {
    const gpu = domain.coproc('gpu0');
    const got = [];
    for (let i = 0; i < 3; i++) got.push((await gpu.submit({ op: 1, args: [i * i] })).results[0]);
    if (domain.input !== undefined) domain.write(domain.input.name, domain.input.bytes);
    domain.write('squares.txt', new TextEncoder().encode(got.join()));
    domain.verify('squares', () => ({ ok: got.join() === '0,1,4', detail: got.join() }));
  },
};
`;

/** The text of a scheduler's factory: who came first goes first, and the others only when it sleeps. */
export const FIRST_COME = `(settings) => {
  const members = new Map();
  let timeslice = settings.timeslice;
  return {
    name: 'first',
    admit(vcoproc, { rank = 0 }) {
      if (rank > 9) return { kind: 'refused', reason: 'rank ' + rank + ' is impossible; expected 0 to 9' };
      members.set(vcoproc, false);
      return { kind: 'admitted' };
    },
    change: () => ({ kind: 'admitted' }),
    retime: (length) => void (timeslice = length),
    bound: () => undefined,
    remove: (vcoproc) => void members.delete(vcoproc),
    wake: (vcoproc) => (members.set(vcoproc, true), false),
    sleep: (vcoproc) => void members.set(vcoproc, false),
    pick() {
      for (const [vcoproc, awake] of members)
        if (awake) return { kind: 'run', vcoproc, slice: timeslice };
      return { kind: 'idle' };
    },
    settle() {},
  };
}`;

/** A guest of one statement. */
export const guest = (statement: string): string =>
  `export default { async main(domain) { ${statement} } };\n`;

/** A file's text or bytes, or `undefined` to take it away. */
export type Files = Readonly<Record<string, string | Uint8Array | undefined>>;

/** Folders of a test file: two domains, `left` and `right`, share `gpu0`, far from any package.json. */
export class Systems {
  readonly root = mkdtempSync(join(tmpdir(), 'covisor-cli-'));
  #count = 0;

  make(changes: Files = {}): string {
    const folder = join(this.root, `system${this.#count++}`);
    const files: Files = {
      'system.dts': SYSTEM,
      'domains/left.cfg': domainFile('left', 'takes = [ "image/png" ]'),
      'domains/right.cfg': domainFile('right', 'takes = [ "image/jpeg" ]'),
      'guests/left.js': SQUARES,
      'guests/right.js': SQUARES,
      ...changes,
    };
    for (const [name, content] of Object.entries(files)) {
      if (content === undefined) continue;
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    return folder;
  }

  /** A path that is not there yet. */
  path(name: string): string {
    return join(this.root, name);
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}
