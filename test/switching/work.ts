import { readFileSync } from 'node:fs';
import jpegJs from 'jpeg-js';
import { CLASSES, PIXELS, decodeDigits, picture } from '../../examples/cockpit/guests/assist/digits.ts';
import {
  drawCommand,
  encodeCorners,
  encodeDraws,
  encodeVertices,
} from '../../examples/cockpit/guests/cluster/commands.ts';
import type { FrameSize, Mesh } from '../../examples/cockpit/guests/cluster/frame.ts';
import { clusterFrame } from '../../examples/cockpit/guests/cluster/scene.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { Command } from '../../src/contract/guest.ts';
import { firmware, type Work } from './machine.ts';

const asset = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../examples/cockpit/assets/${path}`, import.meta.url)));

/** A small frame of the cluster's drive; each `at` (0 to 1) is another one. */
export function renderWork(at: number): Work {
  const size: FrameSize = { width: 32, height: 16, samples: 1 };
  return {
    firmware: firmware('render'),
    ramBytes: 1 << 20,
    commands(place) {
      const whole = clusterFrame(at, size);
      const frame = { ...whole, draws: whole.draws.slice(0, 6) };
      const places = new Map<Mesh, { vertices: number; corners: number }>();
      for (const { mesh } of frame.draws)
        if (!places.has(mesh))
          places.set(mesh, { vertices: place(encodeVertices(mesh)), corners: place(encodeCorners(mesh)) });
      const list = place(encodeDraws(frame, (mesh) => places.get(mesh)!));
      const command = (): Command => drawCommand(frame, size, list, place(size.width * size.height * 4));
      return [command(), command()];
    },
  };
}

/** Loads the trained network and classifies digits, beginning with the one numbered `first`. */
export function inferWork(first: number): Work {
  return {
    firmware: firmware('infer'),
    ramBytes: 1 << 18,
    commands(place) {
      const network = asset('digits/network.bin');
      const digits = decodeDigits(asset('digits/samples.bin'));
      const samples = new Uint8Array(2 * PIXELS);
      for (const index of [0, 1]) samples.set(picture(digits, first + index), index * PIXELS);
      const records = place(2 * (1 + CLASSES) * 4);
      return [
        { op: 1, args: [place(network), network.length] },
        { op: 2, args: [place(samples), 2, records] },
      ];
    },
  };
}

/** Noise of a seed, smooth enough to be a picture. */
function noise(width: number, height: number, seed: number): Uint8Array {
  const random = seededRandom(seed);
  const data = new Uint8Array(width * height * 4);
  let light = 128;
  for (let at = 0; at < data.length; at++) {
    light = Math.max(0, Math.min(255, light + random.below(61) - 30));
    data[at] = light;
  }
  return data;
}

/** Asks about a small JPEG, then decodes it. */
export function jpegWork(seed: number): Work {
  const [width, height] = [40, 24];
  const jpeg = new Uint8Array(jpegJs.encode({ width, height, data: noise(width, height, seed) }, 80).data);
  return {
    firmware: firmware('jpeg'),
    ramBytes: 1 << 18,
    commands(place) {
      const file = place(jpeg);
      const [output, scratch] = [width * height * 3, 1 << 16];
      return [
        { op: 1, args: [file, jpeg.length] },
        { op: 2, args: [file, jpeg.length, place(output), output, place(scratch), scratch, 3] },
      ];
    },
  };
}

/** Edges and corners of a small picture; every frame is crowded enough for the alarm. */
export function visionWork(seed: number): Work {
  const [width, height] = [48, 32];
  return {
    firmware: firmware('vision'),
    ramBytes: 1 << 18,
    commands(place) {
      const frame = place(noise(width, height, seed));
      const [edges, scratch, corners] = [place(width * height), place(2 * width * height), place(64 * 12)];
      return [
        { op: 1, args: [frame, width, height, edges, scratch, 40, 100] },
        { op: 2, args: [frame, width, height, 0, 0, 0, 0, corners, 64, 500, 1] },
      ];
    },
  };
}
