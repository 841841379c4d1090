/**
 * Where a simulated run's choices come from: which of two things that fall on one instant is first, how
 * long a turn takes, which fault fires, what a random guest does. Whoever answers can record the
 * answers, replay them and take them back one by one.
 */
export interface Oracle {
  /**
   * A number in `[0, options)`. 0 is what an undisturbed run does. `point` names the kind of choice and
   * who has it, `turn/gpu0`: the part before the slash is its class.
   */
  choose(point: string, options: number): number;
}
