// Works on guest memory through DMA, a small chunk per step: the witness for address spaces that are
// switched with the context.
//
//   op 1 (iova, bytes)        FNV-1a checksum of a guest buffer; results: checksum, bytes
//   op 2 (from, to, bytes)    copies guest memory to guest memory; results: checksum, bytes
//   op 3 (to, bytes, seed)    fills guest memory with a pattern; results: checksum, bytes

import { DONE, MORE, dmaIn, dmaOut } from '../abi';

export const abi: i32 = 1;
export const command: usize = memory.data(96, 8);

const CHUNK: u32 = 256;
const chunk: usize = memory.data(256, 8);

const UNKNOWN_OP: i32 = -1;
const FAULT: i32 = -2;

let op: i32 = 0;
let from: u32 = 0;
let to: u32 = 0;
let size: u32 = 0;
let done: u32 = 0;
let hash: u32 = 0;
let noise: u32 = 0;

function argument(index: i32): i32 {
  return load<i32>(command + 8 + (<usize>index << 2));
}

export function start(): i32 {
  op = load<i32>(command + 4);
  done = 0;
  hash = 0x811c9dc5;
  if (op == 1) {
    from = argument(0);
    size = argument(1);
  } else if (op == 2) {
    from = argument(0);
    to = argument(1);
    size = argument(2);
  } else if (op == 3) {
    to = argument(0);
    size = argument(1);
    noise = argument(2);
  } else return UNKNOWN_OP;
  return MORE;
}

/** One chunk per step, whatever the budget: small steps show a lost address space soonest. */
export function step(_budget: i32): i32 {
  const length = min(CHUNK, size - done);
  if (length > 0) {
    if (op == 3) for (let place: u32 = 0; place < length; place++) store<u8>(chunk + place, next());
    else if (dmaIn(chunk, from + done, length) != 0) return FAULT;
    for (let place: u32 = 0; place < length; place++)
      hash = (hash ^ load<u8>(chunk + place)) * 0x01000193;
    if (op != 1 && dmaOut(to + done, chunk, length) != 0) return FAULT;
    done += length;
  }
  if (done < size) return MORE;
  store<u32>(command + 64, hash);
  store<u32>(command + 68, done);
  return DONE;
}

/** Marsaglia's xorshift32. */
function next(): u8 {
  noise = noise == 0 ? 0x6d2b79f5 : noise;
  noise ^= noise << 13;
  noise ^= noise >>> 17;
  noise ^= noise << 5;
  return <u8>noise;
}
