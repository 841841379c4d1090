/** One mutable global of a firmware: part of its context. */
export interface FirmwareGlobal {
  readonly index: number;
  readonly type: 'i32' | 'i64' | 'f32' | 'f64';
  /** The reserved name under which the prepared module exports it. */
  readonly exportName: string;
}

/**
 * A firmware that was checked against the ABI and rewritten for the world switch, ready to be loaded.
 * It is plain data: it goes to a worker as it stands, and its bytes are shared, not copied.
 */
export interface FirmwareImage {
  readonly name: string;
  /** Identity: SHA-256 of the bytes as the firmware's maker built them, in hexadecimal. */
  readonly sha256: string;
  /** The prepared module. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  /** SHA-256 of `bytes`, in hexadecimal, to be verified at every load. */
  readonly digest: string;
  /** Local memory it needs at least, in pages of 64 KiB. */
  readonly memoryPages: number;
  /** Local memory it accepts at most, in pages of 64 KiB; `undefined` when it takes any. */
  readonly maximumPages: number | undefined;
  /** Its mutable globals, in the order in which a context holds them. */
  readonly globals: readonly FirmwareGlobal[];
  /** Whether its instructions are counted and charged to a budget of fuel. */
  readonly metered: boolean;
  readonly hasQuiesce: boolean;
  /** Address of the 96-byte command block in local memory. */
  readonly commandAddress: number;
}
