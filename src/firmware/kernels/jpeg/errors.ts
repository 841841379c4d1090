// Why a command failed. Damage inside the entropy-coded data is no failure: it counts as a warning and the
// picture goes on, as in libjpeg.

/** Unknown operation, pixel format, or an address range that wraps. */
export const BAD_COMMAND: i32 = -1;
/** The input does not begin with a JPEG start-of-image marker. */
export const NOT_A_JPEG: i32 = -2;
/** Arithmetic, lossless, hierarchical or 12-bit coding, a height given later (DNL), or 2 GiB of scratch. */
export const UNSUPPORTED: i32 = -3;
/** Headers or tables that contradict the standard or each other. */
export const DAMAGED: i32 = -4;
/** The input ended before the first scan. */
export const TRUNCATED: i32 = -5;
/** The output or scratch buffer is smaller than the picture needs: ask `probe` first. */
export const BUFFER_TOO_SMALL: i32 = -6;
/** The IOMMU refused an access. */
export const DMA_FAULT: i32 = -7;
/** More scans than any encoder writes: each one costs a pass over the whole picture. */
export const TOO_MANY_SCANS: i32 = -8;
