// The smallest firmware: every command succeeds at once and returns its first arguments.

export const abi: i32 = 1;
export const command: usize = memory.data(96, 8);

export function start(): i32 {
  for (let word: usize = 0; word < 8; word++) {
    store<i32>(command + 64 + (word << 2), load<i32>(command + 8 + (word << 2)));
  }
  return 1;
}

export function step(_budget: i32): i32 {
  return 1;
}
