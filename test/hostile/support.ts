import { present } from '../../src/base/assert.ts';
import type { Outcome } from '../../src/base/outcome.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import type { FirmwareImage } from '../../src/contract/firmware.ts';
import type { Completion, GuestDomain } from '../../src/contract/guest.ts';
import type { CoprocessorPort, Runtime } from '../../src/contract/port.ts';
import type { RunReport, VcoprocReport } from '../../src/contract/report.ts';
import { prepareFirmware } from '../../src/firmware/prepare.ts';
import { compileWat } from '../firmware/wat.ts';
import { coproc, withRig, type Main, type Rig, type RigOptions } from '../rig.ts';

/** A firmware in WebAssembly text: all imports, command block at 1024, and the bodies that a test is about. */
export function firmwareText({
  start = '(i32.const 0)',
  step = '(i32.const 1)',
  quiesce = '',
  rest = '',
}: {
  start?: string;
  step?: string;
  quiesce?: string;
  rest?: string;
}): string {
  return `(module
    (import "env" "memory" (memory 1))
    (import "coproc" "dma_in" (func $dma_in (param i32 i32 i32) (result i32)))
    (import "coproc" "dma_fetch" (func $dma_fetch (param i32 i32 i32) (result i32)))
    (import "coproc" "dma_out" (func $dma_out (param i32 i32 i32) (result i32)))
    (import "coproc" "irq" (func $irq (param i32)))
    (import "coproc" "reg_get" (func $reg_get (param i32) (result i32)))
    (import "coproc" "reg_set" (func $reg_set (param i32 i32)))
    (global (export "abi") i32 (i32.const 1))
    (global (export "command") i32 (i32.const 1024))
    (func $arg (param i32) (result i32)
      (i32.load (i32.add (i32.const 1032) (i32.shl (local.get 0) (i32.const 2)))))
    ${rest}
    (func (export "start") (result i32) ${start})
    (func (export "step") (param i32) (result i32) ${step})
    ${quiesce === '' ? '' : `(func (export "quiesce") (result i32) ${quiesce})`})`;
}

/** Instructions that take a while, about 8000 cycles. For a function with a local `$n`. */
const PAUSE = `(local.set $n (i32.const 2000))
  (loop $on (br_if $on (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))`;

/** A step that takes a while and never finishes its command. */
export const BUSY = `(local $n i32) ${PAUSE} (i32.const 0)`;

/** A step that takes a while, and finishes when the guest has written SCRATCH0. */
export const UNTIL_TOLD = `(local $n i32) ${PAUSE} (call $reg_get (i32.const 0x40))`;
export const TELL = 0x40;

/** A call that does something again and again and never returns. */
export const forEver = (what: string): string =>
  `(local $n i32) (loop $for_ever ${what} ${PAUSE} (br $for_ever)) (i32.const 1)`;

/** Firmware of the test's own, by name, for a rig. */
export function ownFirmware(
  texts: Readonly<Record<string, string>>,
): (name: string, metered: boolean) => Outcome<FirmwareImage> | undefined {
  const prepared = new Map<string, Outcome<FirmwareImage>>();
  return (name, metered) => {
    const text = texts[name];
    if (text === undefined) return undefined;
    const key = `${name} ${metered}`;
    const image = prepared.get(key) ?? prepareFirmware(name, compileWat(text), { metered });
    prepared.set(key, image);
    return image;
  };
}

/** FNV-1a, as the `stream` kernel computes it, signed. */
export function checksum(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash | 0;
}

export const STREAM_BYTES = 4096;

/** What `stream` fills guest memory with: Marsaglia's xorshift32, its low bytes. */
export function streamPattern(size: number, seed: number): Uint8Array {
  let noise = seed === 0 ? 0x6d2b79f5 : seed;
  return Uint8Array.from({ length: size }, () => {
    noise ^= noise << 13;
    noise ^= noise >>> 17;
    noise ^= noise << 5;
    return noise & 0xff;
  });
}

/** Submits until the command is `ok`: what a guest does whose coprocessor may die under it. */
async function untilOk(submit: () => Promise<Completion>, patient: boolean): Promise<Completion> {
  for (;;) {
    const completion = await submit();
    if (completion.status === 'ok') return completion;
    if (!patient) throw new Error(`${completion.status}: ${completion.reason}`);
  }
}

/**
 * A neighbour whose every result is checked against the CPU: fills guest memory through DMA and checksums it.
 * It crashes at the first wrong word, or, unless it is `patient`, at the first command that is not ok.
 */
export const streaming =
  (rounds: number, { patient = false, id = 'gpu0' } = {}): Main =>
  async (domain) => {
    const device = domain.coproc(id);
    const buffer = domain.memory.allocate(STREAM_BYTES);
    const iova = device.map(buffer, 'read-write');
    for (let round = 1; round <= rounds; round++) {
      const pattern = streamPattern(STREAM_BYTES, round);
      const filled = await untilOk(
        () => device.submit({ op: 3, args: [iova, STREAM_BYTES, round] }),
        patient,
      );
      if (!Buffer.from(buffer.bytes).equals(pattern)) throw new Error(`round ${round}: wrong bytes`);
      if (filled.results[0] !== checksum(pattern))
        throw new Error(`round ${round}: wrong checksum of the fill`);
      const read = await untilOk(() => device.submit({ op: 1, args: [iova, STREAM_BYTES] }), patient);
      if (read.results[0] !== checksum(pattern))
        throw new Error(`round ${round}: wrong checksum of the read`);
    }
    await device.unmap(iova);
  };

/** A neighbour whose local memory and globals are checked: they must survive whatever the others do. */
export const remembering =
  (rounds: number, seed = 7): Main =>
  async (domain) => {
    const device = domain.coproc('gpu0');
    const filled = await device.submit({ op: 1, args: [seed] });
    if (filled.status !== 'ok') throw new Error(String(filled.reason));
    for (let round = 0; round < rounds; round++) {
      const { status, reason, results } = await device.submit({ op: 2, args: [seed] });
      if (status !== 'ok') throw new Error(`${status}: ${reason}`);
      if (results[1] !== -1) throw new Error(`round ${round}: local memory differs at ${results[1]}`);
    }
  };

export const vcoprocOf = (report: RunReport, id: string): VcoprocReport =>
  present(
    report.vcoprocs.find((vcoproc) => vcoproc.id === id),
    `there is a vcoproc ${id}`,
  );

export const stateOf = (report: RunReport, name: string): string | undefined =>
  report.domains.find((domain) => domain.name === name)?.state;

export const reasonOf = (report: RunReport, name: string): string | null | undefined =>
  report.domains.find((domain) => domain.name === name)?.reason;

type FaultEvent = Extract<TraceEvent, { kind: 'fault' }>;

export const faultEvents = (rig: Rig): FaultEvent[] =>
  rig.trace.filter((event): event is FaultEvent => event.kind === 'fault');

/** Everybody who was blamed, each once, sorted. */
export const blamed = (rig: Rig): string[] =>
  [...new Set(faultEvents(rig).map(({ vcoproc }) => vcoproc ?? 'nobody'))].sort();

export interface Captive {
  /** Ends the coprocessor's thread, as a crash of it would. */
  kill(reason?: string): void;
  /** How often it was started. */
  readonly starts: number;
}

/** A rig whose coprocessor `gpu0` the test can kill. */
export function withCaptive<T>(
  kind: Runtime['kind'],
  options: RigOptions,
  use: (rig: Rig, captive: Captive) => Promise<T>,
): Promise<T> {
  return withRig(kind, { ...options, coprocs: [] }, (rig) => {
    const ports: CoprocessorPort[] = [];
    const start = rig.runtime.startCoprocessor.bind(rig.runtime);
    rig.runtime.startCoprocessor = (...settings) => {
      const port = start(...settings);
      ports.push(port);
      return port;
    };
    for (const description of options.coprocs ?? [coproc('gpu0')]) {
      const added = rig.hypervisor.addCoproc(description);
      if (added.kind === 'failed') throw new Error(added.reason);
    }
    return use(rig, {
      kill: (reason = 'killed by the test') => present(ports.at(-1), 'it was started').kill(reason),
      get starts() {
        return ports.length;
      },
    });
  });
}

/** One command, thrown away by whoever reads only its status. */
export const once =
  (op: number, args: readonly number[] = [], seen?: (completion: Completion) => void): Main =>
  async (domain: GuestDomain) => {
    const completion = await domain.coproc('gpu0').submit({ op, args });
    seen?.(completion);
  };
