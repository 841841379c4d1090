import type { Platform } from '../contract/platform.ts';
import dsp from './dsp/index.ts';
import gpu from './gpu/index.ts';

/** The kinds of coprocessors of this build, by the `compatible` string that they bind to. */
export const platforms: Readonly<Record<string, Platform>> = Object.fromEntries(
  [gpu, dsp].map((platform) => [platform.compatible, platform]),
);
