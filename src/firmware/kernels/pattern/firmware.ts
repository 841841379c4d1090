// Fills all of local memory with a pattern and finds out whether it is still there: the witness for
// contexts that are saved, loaded and kept apart.
//
//   op 1 (seed)        fill every word of local memory behind the firmware's own data
//   op 2 (seed)        verify; results: words checked, first different offset or -1, found, expected
//   op 3 (offset)      read the word at a local offset; result: the word
//   op 4               checksum of all words behind the firmware's own data; results: words, sum
//   op 5 (word)        fill with one word, whatever the seed
//   op 6 (offset, word) write the word at a local offset
//   op 7 (word)        verify that every word is this one; results as op 2
//   op 8 (offset)      read a register; result: its value
//   op 9 (offset, value) write a register, whether it may or not; result: its value afterwards
//
// Global state, so that a context which loses its globals is found out: word 7 of the results counts the
// steps that this context ever ran, word 6 is a running hash of its commands.

import { DONE, MORE, registerGet, registerSet } from '../abi';

export const abi: i32 = 1;
export const command: usize = memory.data(96, 8);

const FILL: i32 = 1;
const VERIFY: i32 = 2;
const READ: i32 = 3;
const CHECKSUM: i32 = 4;
const FILL_WORD: i32 = 5;
const WRITE: i32 = 6;
const VERIFY_WORD: i32 = 7;
const REGISTER_READ: i32 = 8;
const REGISTER_WRITE: i32 = 9;

const UNKNOWN_OP: i32 = -1;
const OUTSIDE: i32 = -2;

let op: i32 = 0;
let seed: u32 = 0;
let at: usize = 0;
let end: usize = 0;
let sum: u32 = 0;
let steps: i32 = 0;
let history: u64 = 0xcbf29ce484222325;
let mean: f64 = 0;

/** A word that depends on the seed and its place alone (the finaliser of MurmurHash3). */
function patternAt(place: usize): u32 {
  let hash = <u32>place ^ (seed * 0x9e3779b9);
  hash = (hash ^ (hash >>> 16)) * 0x85ebca6b;
  hash = (hash ^ (hash >>> 13)) * 0xc2b2ae35;
  return hash ^ (hash >>> 16);
}

@inline
function argument(index: i32): i32 {
  return load<i32>(command + 8 + (<usize>index << 2));
}

function result(index: i32, value: i32): void {
  store<i32>(command + 64 + (<usize>index << 2), value);
}

function finish(): i32 {
  result(6, <i32>(history ^ (history >> 32)));
  result(7, steps);
  return DONE;
}

export function start(): i32 {
  op = load<i32>(command + 4);
  seed = argument(0);
  sum = 0;
  // The first words behind the firmware's data, up to the end of local memory however large it is.
  at = (__heap_base + 15) & ~15;
  end = <usize>memory.size() << 16;
  history = (history ^ (<u64>op << 32) ^ seed) * 0x100000001b3;
  mean = mean * 0.5 + <f64>op;
  if (op == READ || op == WRITE) {
    const offset = <usize>argument(0);
    if (offset > end - 4 || (offset & 3) != 0) return OUTSIDE;
    if (op == WRITE) store<i32>(offset, argument(1));
    result(0, load<i32>(offset));
    return finish();
  }
  if (op == REGISTER_READ || op == REGISTER_WRITE) {
    if (op == REGISTER_WRITE) registerSet(argument(0), argument(1));
    result(0, registerGet(argument(0)));
    return finish();
  }
  if (op < FILL || op > REGISTER_WRITE) return UNKNOWN_OP;
  return MORE;
}

export function step(budget: i32): i32 {
  steps++;
  // One unit of work is four words.
  let stop = at + <usize>max(budget, 1) * 16;
  if (stop > end) stop = end;
  const place = at;
  at = stop;
  if (op == FILL) for (let word = place; word < stop; word += 4) store<u32>(word, patternAt(word));
  else if (op == FILL_WORD) for (let word = place; word < stop; word += 4) store<u32>(word, seed);
  else if (op == CHECKSUM) for (let word = place; word < stop; word += 4) sum = sum * 31 + load<u32>(word);
  else
    for (let word = place; word < stop; word += 4) {
      const expected = op == VERIFY_WORD ? seed : patternAt(word);
      const found = load<u32>(word);
      if (found == expected) continue;
      result(0, (word - ((__heap_base + 15) & ~15)) >> 2);
      result(1, word);
      result(2, found);
      result(3, expected);
      return finish();
    }
  if (at < end) return MORE;
  result(0, (end - ((__heap_base + 15) & ~15)) >> 2);
  result(1, op == VERIFY || op == VERIFY_WORD ? -1 : <i32>sum);
  return finish();
}

/** The average operation of this context, kept as a float. */
export function average(): f64 {
  return mean;
}
