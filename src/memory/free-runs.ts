interface Run {
  readonly first: number;
  readonly count: number;
}

const endOf = ({ first, count }: Run): number => first + count;

/** What is free of a range, in runs: given out first fit, joined again when it comes back. Units are the owner's. */
export class FreeRuns {
  /** Ascending, never touching each other. */
  readonly #runs: Run[];

  constructor(first: number, count: number) {
    this.#runs = [{ first, count }];
  }

  get total(): number {
    return this.#runs.reduce((total, { count }) => total + count, 0);
  }

  /** Takes the first `count` that begin at a multiple of `step`; `undefined` where no run is that long. */
  take(count: number, step = 1): number | undefined {
    const up = (first: number): number => Math.ceil(first / step) * step;
    const place = this.#runs.findIndex((run) => up(run.first) + count <= endOf(run));
    const run = this.#runs[place];
    if (run === undefined) return undefined;
    this.#cut(place, up(run.first), count);
    return up(run.first);
  }

  /** Takes exactly this run, of which everything is free; the last one is found first. */
  claim(first: number, count: number): void {
    this.#cut(
      this.#runs.findLastIndex((run) => run.first <= first),
      first,
      count,
    );
  }

  give(first: number, count: number): void {
    const after = this.#runs.findIndex((run) => run.first > first);
    const place = after < 0 ? this.#runs.length : after;
    const [left, right] = [this.#runs[place - 1], this.#runs[place]];
    const joinsLeft = left !== undefined && endOf(left) === first;
    const joinsRight = right?.first === first + count;
    const from = joinsLeft ? left.first : first;
    const to = joinsRight ? endOf(right) : first + count;
    this.#runs.splice(joinsLeft ? place - 1 : place, Number(joinsLeft) + Number(joinsRight), {
      first: from,
      count: to - from,
    });
  }

  #cut(place: number, first: number, count: number): void {
    const run = this.#runs[place]!;
    const left = [
      { first: run.first, count: first - run.first },
      { first: first + count, count: endOf(run) - first - count },
    ];
    this.#runs.splice(place, 1, ...left.filter((rest) => rest.count > 0));
  }
}
