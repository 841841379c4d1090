import { execFileSync, spawnSync } from 'node:child_process';
import type { DeviceNode, DeviceTree } from '../../../../src/toolstack/config/device-tree/tree.ts';

/** A tree in the one form in which two readings of it are compared: order counts, everything is text. */
export interface Plain {
  readonly reservations: readonly string[];
  readonly root: PlainNode;
}

export interface PlainNode {
  readonly name: string;
  readonly properties: readonly (readonly [name: string, hexadecimal: string])[];
  readonly children: readonly PlainNode[];
}

/** Whether the device tree compiler, the oracle of these tests, is installed. */
export function dtcInstalled(): boolean {
  return spawnSync('dtc', ['--version']).status === 0;
}

/** What dtc makes of a source: the tree, or undefined when it refuses. */
export function compile(text: string, folder: string): Plain | undefined {
  const run = spawnSync('dtc', ['-q', '-q', '-I', 'dts', '-O', 'dtb', '-o', '-', '-'], {
    input: Buffer.from(text, 'latin1'),
    cwd: folder,
    maxBuffer: 1 << 26,
  });
  return run.status === 0 ? readBlob(run.stdout) : undefined;
}

export function compileFile(file: string): Plain {
  const options = { maxBuffer: 1 << 26 };
  return readBlob(execFileSync('dtc', ['-q', '-q', '-I', 'dts', '-O', 'dtb', '-o', '-', file], options));
}

export function decompile(blob: string): string {
  return execFileSync('dtc', ['-q', '-q', '-I', 'dtb', '-O', 'dts', '-o', '-', blob], {
    maxBuffer: 1 << 26,
  }).toString('latin1');
}

export function plain(tree: DeviceTree): Plain {
  const node = (from: DeviceNode): PlainNode => ({
    name: from.name,
    properties: [...from.properties.values()].map(({ name, bytes }) => [
      name,
      Buffer.from(bytes).toString('hex'),
    ]),
    children: from.children.map(node),
  });
  return {
    reservations: tree.reservations.map(({ address, size }) => `${address} ${size}`),
    root: node(tree.root),
  };
}

/** Reads a flattened device tree, version 17. */
function readBlob(blob: Buffer): Plain {
  if (blob.readUInt32BE(0) !== 0xd00dfeed) throw new Error('not a device tree blob');
  const text = blob.readUInt32BE(12);
  const reservations: string[] = [];
  for (let at = blob.readUInt32BE(16); ; at += 16) {
    const address = blob.readBigUInt64BE(at);
    const size = blob.readBigUInt64BE(at + 8);
    if (address === 0n && size === 0n) break;
    reservations.push(`${address} ${size}`);
  }
  let at = blob.readUInt32BE(8);
  const word = (): number => {
    at += 4;
    return blob.readUInt32BE(at - 4);
  };
  const zeroEnded = (from: number): string => blob.toString('latin1', from, blob.indexOf(0, from));
  const node = (): PlainNode => {
    const name = zeroEnded(at);
    at = (at + name.length + 1 + 3) & ~3;
    const properties: [string, string][] = [];
    const children: PlainNode[] = [];
    for (let token = word(); token !== 2; token = word()) {
      if (token === 1) children.push(node());
      if (token !== 3) continue;
      const length = word();
      const key = zeroEnded(text + word());
      properties.push([key, blob.toString('hex', at, at + length)]);
      at = (at + length + 3) & ~3;
    }
    return { name, properties, children };
  };
  while (word() !== 1);
  return { reservations, root: node() };
}
