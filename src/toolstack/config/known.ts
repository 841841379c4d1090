/** The names that a configuration may use, as the rest of Covisor registers them. */
export interface Known {
  /** `compatible` strings that a platform binds to. */
  readonly platforms: Iterable<string>;
  readonly schedulers: Iterable<string>;
  /** Names of the firmware library. A domain may also name a `.wasm` file of its own. */
  readonly firmwares: Iterable<string>;
}
