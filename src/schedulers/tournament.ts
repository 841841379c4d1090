import type { Member } from './member.ts';

/** The key and the order of nobody. */
const NOBODY = Infinity;

/**
 * Members by their keys, the smallest first, at equal keys first come first served: a tree of winners (Knuth, volume
 * 3, 5.4.1). Each member has a leaf, and of four nodes the first stands for them one level up. Every change costs
 * O(log n) and touches what is above one leaf: keys side by side, of which all but the leaves fit a cache. A heap
 * moves its members about, and finds them all over the memory.
 */
export class Tournament {
  /** Inner nodes come first, then leaves; the children of `node` are those from `4 * node + 1` on. */
  #inner = 1;
  /** Of each node the key of its winner, and the order in which equal keys came. */
  #ranks = new Float64Array(10).fill(NOBODY);
  /** Of each inner node. */
  #winners = new Int32Array(1);
  #order = 0;

  get first(): Member | undefined {
    return this.#ranks[1] === NOBODY ? undefined : this.#winners[0];
  }

  /** The key of the first; of nobody, infinite. */
  get least(): number {
    return this.#ranks[0]!;
  }

  has(member: Member): boolean {
    return member <= 3 * this.#inner && this.#ranks[2 * (this.#inner + member) + 1] !== NOBODY;
  }

  /** The key of `member`, which is here. */
  keyOf(member: Member): number {
    return this.#ranks[2 * (this.#inner + member)]!;
  }

  /** Puts `member` in, or moves it; it is the last of those with this key, or at a place that was answered before. */
  put(member: Member, key: number, place = this.#order): number {
    while (member > 3 * this.#inner) this.#grow();
    this.#set(member, key, place);
    if (place >= this.#order) this.#order = place + 1;
    return place;
  }

  remove(member: Member): void {
    if (this.has(member)) this.#set(member, NOBODY, NOBODY);
  }

  #set(member: Member, key: number, order: number): void {
    let node = this.#inner + member;
    this.#ranks[2 * node] = key;
    this.#ranks[2 * node + 1] = order;
    do node = (node - 1) >> 2;
    while (this.#play(node) && node > 0);
  }

  /** Finds the winner among a node's children. Answers whether it is another one than before. */
  #play(node: number): boolean {
    const ranks = this.#ranks;
    let winner = 4 * node + 1;
    let key = ranks[2 * winner]!;
    let order = ranks[2 * winner + 1]!;
    for (let child = winner + 1; child <= 4 * node + 4; child++) {
      const other = ranks[2 * child]!;
      if (other > key || (other === key && ranks[2 * child + 1]! > order)) continue;
      winner = child;
      key = other;
      order = ranks[2 * child + 1]!;
    }
    if (ranks[2 * node + 1] === order && ranks[2 * node] === key) return false;
    ranks[2 * node] = key;
    ranks[2 * node + 1] = order;
    this.#winners[node] = winner < this.#inner ? this.#winners[winner]! : winner - this.#inner;
    return true;
  }

  #grow(): void {
    const [before, ranks] = [this.#inner, this.#ranks];
    this.#inner *= 2;
    this.#winners = new Int32Array(this.#inner);
    this.#ranks = new Float64Array(2 * (4 * this.#inner + 1)).fill(NOBODY);
    this.#ranks.set(ranks.subarray(2 * before), 2 * this.#inner);
    for (let node = this.#inner - 1; node >= 0; node--) this.#play(node);
  }
}
