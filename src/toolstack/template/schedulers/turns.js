// A scheduler of your own: everybody awake in turn. To use it, write in system.dts
//
//     scheduler = "./schedulers/turns.js";
//
// It decides who has the coprocessor; it never waits and never sees a thread.

export default {
  summary: 'everybody awake in turn',
  create({ timeslice }) {
    let slice = timeslice;
    const admitted = new Set();
    /** The awake, next first. */
    const queue = [];
    const drop = (vcoproc) => {
      const at = queue.indexOf(vcoproc);
      if (at >= 0) queue.splice(at, 1);
    };
    return {
      name: 'turns',
      // With what its domain file says of it: weight=256 and the like. Treating all alike, it needs none of that.
      admit(vcoproc, _parameters) {
        admitted.add(vcoproc);
        return { kind: 'admitted' };
      },
      change: (_vcoproc, _parameters) => ({ kind: 'admitted' }),
      retime: (length) => {
        slice = length;
      },
      // How long somebody waits at most, when everybody before is late by so much.
      bound: (vcoproc, late) => (admitted.has(vcoproc) ? (admitted.size - 1) * (slice + late) : undefined),
      remove(vcoproc) {
        admitted.delete(vcoproc);
        drop(vcoproc);
      },
      wake(vcoproc) {
        if (admitted.has(vcoproc) && !queue.includes(vcoproc)) queue.push(vcoproc);
        // Whether that is a reason to decide at once.
        return queue.length === 1;
      },
      sleep: drop,
      // Nobody is moved yet: the one before may refuse to leave.
      pick: () => (queue.length === 0 ? { kind: 'idle' } : { kind: 'run', vcoproc: queue[0], slice }),
      // What really happened: whoever ran goes to the end, whoever did not keeps its place.
      settle({ vcoproc, outcome }) {
        if (outcome !== 'ran' || !queue.includes(vcoproc)) return;
        drop(vcoproc);
        queue.push(vcoproc);
      },
      // Nobody saves up or owes anything here. One that keeps accounts has two more functions, for checkpoints:
      // save: () => what it knows, as JSON can say it,
      // restore: (saved) => nothing, or { kind: 'refused', reason: 'what is wrong with it' },
    };
  },
};
