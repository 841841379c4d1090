import type { GuestProgram } from '../../../src/contract/guest.ts';

/** The spin firmware's operation that takes so many steps. */
const COUNT = 4;
const STEPS = 20_000;

/** Always has work, until it is asked to shut down. */
export default {
  async main(domain) {
    const gpu = domain.coproc('gpu0');
    let on = true;
    domain.onShutdown(() => (on = false));
    let round = (domain.resumed as number | undefined) ?? 0;
    domain.onCheckpoint(() => round);
    let [again] = gpu.outstanding();
    for (; on; round++) {
      const { status, reason } = await (again?.completion ?? gpu.submit({ op: COUNT, args: [STEPS] }));
      again = undefined;
      if (status !== 'ok') domain.log(`command ${round} ${status}: ${reason}`);
      if (status === 'cancelled') return;
    }
  },
} satisfies GuestProgram;
