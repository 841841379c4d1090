import type { Random } from '../base/random.ts';

/** Chance that knows how often it was asked, so that another one of the same seed can be brought to the same place. */
export class DrawnRandom implements Random {
  readonly #random: Random;
  #draws = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get draws(): number {
    return this.#draws;
  }

  skip(draws: number): void {
    for (let draw = 0; draw < draws; draw++) this.bits();
  }

  bits(): number {
    this.#draws++;
    return this.#random.bits();
  }

  below(limit: number): number {
    this.#draws++;
    return this.#random.below(limit);
  }

  unit(): number {
    this.#draws++;
    return this.#random.unit();
  }

  of(name: string): Random {
    return this.#random.of(name);
  }
}
