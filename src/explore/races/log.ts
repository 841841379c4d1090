/** The steps of one run, column by column: allocated once, overwritten by each run. */
export class Log {
  readonly capacity: number;
  readonly thread: Uint8Array;
  readonly site: Int32Array;
  readonly kind: Uint8Array;
  readonly address: Int32Array;
  readonly bytes: Int32Array;
  /** 1: a compareExchange that found another value, and wrote nothing. */
  readonly failed: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.thread = new Uint8Array(capacity);
    this.site = new Int32Array(capacity);
    this.kind = new Uint8Array(capacity);
    this.address = new Int32Array(capacity);
    this.bytes = new Int32Array(capacity);
    this.failed = new Uint8Array(capacity);
  }
}
