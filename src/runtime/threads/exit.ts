import { syncBuiltinESMExports } from 'node:module';
import { GuestError } from '../../contract/guest.ts';

/**
 * From now on `process.exit` of this thread throws, however a guest comes by it, so that it ends its domain and nothing
 * else. `leave` is the true one; from `over` on, whoever asks ends the process, with this code.
 */
export function guardExit(): {
  readonly leave: (code: number) => never;
  readonly over: (code: number) => void;
} {
  const { exit } = process;
  const set = (to: typeof process.exit): void => {
    process.exit = to;
    // Modules that import it by name see a change only then.
    syncBuiltinESMExports();
  };
  set(() => {
    throw new GuestError('a guest cannot end the process; return from main, or throw');
  });
  const leave = (code: number): never => exit.call(process, code);
  return { leave, over: (code) => set(() => leave(code)) };
}
