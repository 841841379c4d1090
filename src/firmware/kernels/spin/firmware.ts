// Misbehaves on command, one way per operation: the hypervisor has to survive each of them.
//
//   op 1               never returns from step
//   op 2               traps
//   op 3               reads outside of local memory
//   op 4 (times)       asks for `times` more steps and counts them in a global; result: the count
//   op 5 (microseconds, times)  as op 4, and denies to leave until it is through
//   op 6               calls itself until the stack is full
//   op 7               DMA that ends outside of local memory
//   op 8 (iova)        DMA from a guest address, mapped or not; result: what dma_in returned
//   op 9 (number)      raises an interrupt, whether it may or not
//   op 10              fails with the code that its argument gives (negative)
//   op 11 (times, number)  as op 4, and raises interrupt `number` in every step
//   op 12 (microseconds, times)  as op 5, in steps that take all of their budget

import { DONE, MORE, dmaIn, irq } from '../abi';

export const abi: i32 = 1;
export const command: usize = memory.data(96, 8);
const buffer: usize = memory.data(64, 8);

const UNKNOWN_OP: i32 = -1;

let op: i32 = 0;
let remaining: i32 = 0;
let counted: i32 = 0;
let denial: i32 = 0;
let depth: i32 = 0;

function argument(index: i32): i32 {
  return load<i32>(command + 8 + (<usize>index << 2));
}

function result(value: i32): i32 {
  store<i32>(command + 64, value);
  return DONE;
}

/** Neither a loop nor a tail call: what it adds after the call keeps the frame. */
function recurse(level: i32): i32 {
  depth = level;
  return recurse(level + 1) + (load<i32>(buffer) ^ level);
}

export function start(): i32 {
  op = load<i32>(command + 4);
  const denies = op == 5 || op == 12;
  denial = denies ? argument(0) : 0;
  remaining = denies ? argument(1) : argument(0);
  counted = 0;
  if (op < 1 || op > 12) return UNKNOWN_OP;
  if (op == 8) return result(dmaIn(buffer, argument(0), 64));
  if (op == 9) {
    irq(argument(0));
    return result(0);
  }
  if (op == 10) return argument(0);
  return MORE;
}

export function step(budget: i32): i32 {
  if (op == 1) {
    let place: i32 = 0;
    // Stores keep the compiler from seeing that nothing comes of it.
    while (true) store<i32>(buffer, place++);
  }
  if (op == 2) unreachable();
  if (op == 3) return load<i32>(0xfffffff0);
  if (op == 6) return recurse(1);
  if (op == 7) return dmaIn(<usize>memory.size() * 65536 - 32, argument(0), 64);
  counted++;
  if (op > 10) {
    if (op == 11) irq(argument(1));
    // Stores, as above: a unit of work is some ten instructions.
    else for (let left = budget; left > 0; left--) store<i32>(buffer, left);
  }
  if (counted < remaining) return MORE;
  denial = 0;
  return result(counted);
}

export function quiesce(): i32 {
  return denial;
}
