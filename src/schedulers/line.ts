/** What can stand in a line. The line writes these; in one line at a time. */
export interface InLine<Item extends InLine<Item>> {
  line: Line<Item> | undefined;
  ahead: Item | undefined;
  behind: Item | undefined;
}

export const inNoLine = () => ({ line: undefined, ahead: undefined, behind: undefined });

/** First come, first served; whoever stands in it may leave. Every change costs O(1). */
export class Line<Item extends InLine<Item>> {
  first: Item | undefined;
  last: Item | undefined;

  /** Puts `item`, which stands in no line, behind all others. */
  append(item: Item): void {
    item.line = this;
    item.ahead = this.last;
    if (this.last === undefined) this.first = item;
    else this.last.behind = item;
    this.last = item;
  }

  /** Takes `item` out, which stands in this line. */
  remove(item: Item): void {
    const { ahead, behind } = item;
    if (ahead === undefined) this.first = behind;
    else ahead.behind = behind;
    if (behind === undefined) this.last = ahead;
    else behind.ahead = ahead;
    item.line = undefined;
    item.ahead = undefined;
    item.behind = undefined;
  }
}
