/** A picture that a domain wrote. */
export interface Picture {
  readonly domain: string;
  /** As the domain named it, or its path below the output folder. */
  readonly file: string;
  readonly png: Uint8Array;
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Width and height from the header of a PNG, or nothing when it is none. Source: PNG specification, IHDR. */
export function pngSize(png: Uint8Array): { readonly width: number; readonly height: number } | undefined {
  if (png.length < 24 || SIGNATURE.some((byte, place) => png[place] !== byte)) return undefined;
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}
