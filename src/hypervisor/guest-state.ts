import { Packr } from 'msgpackr';
import { namedMessageOf } from '../base/said.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';

/** Maps, sets, typed arrays and cycles come back as what they were. */
const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: false });

/** What a guest wants to be saved, as bytes. Whatever its function does wrong is a failure that says so. */
export function packGuestState(state: () => unknown): Outcome<Uint8Array> {
  try {
    // A clone first: what cannot be cloned is refused by name, and nothing of the guest runs while it is packed.
    return ok(new Uint8Array(packr.pack(structuredClone(state()))));
  } catch (error) {
    return failed(namedMessageOf(error));
  }
}

export const unpackGuestState = (bytes: Uint8Array): unknown => packr.unpack(bytes);
