import type { GuestCoproc, GuestDomain } from '../../src/contract/guest.ts';
import type { Platform, Register } from '../../src/contract/platform.ts';
import { us } from '../../src/base/units.ts';
import type { Domain } from '../../src/hypervisor/domain.ts';

/** Operations of the `pattern` firmware. */
export const OP = {
  checksum: 4,
  fillWord: 5,
  verifyWord: 7,
  registerRead: 8,
  registerWrite: 9,
} as const;

/** What the context isolation tests of the Intel GPU suite write. */
export const PATTERNS = [0, 0xffffffff, 0xcccccccc, 0x33333333, 0x55555555, 0xaaaaaaaa, 0xdeadbeef] as const;

/** Registers in which a guest stores what it likes. */
export const storage = (platform: Platform): Register[] =>
  platform.registers.filter(({ access }) => access === 'read-write');

/** Storage that means nothing to the device: any value may stand there. */
export const plainStorage = (platform: Platform): Register[] =>
  storage(platform).filter(({ firmware }) => firmware);

/** Registers that no command of the context itself changes: what stands there was there before. */
export const quiet = (platform: Platform): Register[] =>
  platform.registers.filter(
    ({ name, offset }) => !['STATUS', 'STATE', 'TILES'].includes(name) && offset !== platform.core.fence,
  );

/** What a guest reads at its first look. */
export const defaults = (platform: Platform): Record<string, number> =>
  Object.fromEntries(
    platform.registers.map(({ name, access, reset }) => [name, access === 'none' ? 0 : reset]),
  );

export const readAll = (coproc: GuestCoproc, platform: Platform): Record<string, number> =>
  Object.fromEntries(platform.registers.map(({ name, offset }) => [name, coproc.registers.read(offset)]));

/** Runs one command and demands that it went well. */
export async function run(coproc: GuestCoproc, op: number, ...args: number[]): Promise<readonly number[]> {
  const { status, reason, results } = await coproc.submit({ op, args });
  if (status !== 'ok') throw new Error(`command ${op} ${status}: ${reason}`);
  return results;
}

/** The first word of local memory that is not `word`, as the firmware finds it; `undefined`: all are. */
export async function otherWord(coproc: GuestCoproc, word: number): Promise<string | undefined> {
  const [, at, found] = await run(coproc, OP.verifyWord, word);
  return at === -1 ? undefined : `${(found! >>> 0).toString(16)} at ${at}`;
}

/** Waits until the real window of a domain's only vcoproc is mapped, or is not. */
export async function untilMapped(guest: GuestDomain, domain: () => Domain, mapped: boolean): Promise<void> {
  while (domain().vcoprocs[0]!.window.mapped !== mapped) await guest.sleep(us(20));
}

/** A condition that one guest sets and another awaits, by the clock that both share. */
export class Flag {
  #set = false;

  set(): void {
    this.#set = true;
  }

  async wait(guest: GuestDomain): Promise<void> {
    while (!this.#set) await guest.sleep(us(50));
  }
}
