import { connect, type Connection } from '../../src/toolstack/control/client.ts';
import type { Said } from './systems.ts';

/** Resolves once it is so. */
export async function until(so: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await so())) await new Promise((resolve) => setImmediate(resolve));
}

/** A connection to the hypervisor that comes up on a socket; rejects with what it says when it does not. */
export async function connected(socket: string, up: Promise<Pick<Said, 'stderr'>>): Promise<Connection> {
  let found: Connection | undefined;
  let ended: string | undefined;
  void up.then(({ stderr }) => (ended = stderr));
  await until(async () => {
    if (ended !== undefined) throw new Error(ended);
    try {
      found = await connect({ socket });
      await found.info();
      return true;
    } catch {
      // It starts: nobody listens yet, or it says so.
      found?.close();
      return false;
    }
  });
  return found!;
}
