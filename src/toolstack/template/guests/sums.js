/** The firmware's operation that adds up all numbers from 1 to its argument. */
const SUM = 1;

/** @type {import('covisor').GuestProgram} */
export default {
  async main(domain) {
    const gpu = domain.coproc('gpu0');
    const upto = Number(domain.args.upto);
    const sums = [];
    for (let round = 0; round < 20; round++) {
      const { status, reason, results } = await gpu.submit({ op: SUM, args: [upto] });
      if (status !== 'ok') throw new Error(`command ${round} ${status}: ${reason}`);
      sums.push(results[0] | 0);
    }
    const right = ((upto * (upto + 1)) / 2) | 0;
    domain.verify('sums', () => ({
      ok: sums.every((sum) => sum === right),
      detail: `${sums.length} sums of 1 to ${upto}`,
    }));
  },
};
