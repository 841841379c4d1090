// The coprocessor as firmware sees it. See ../ABI.md.

// @ts-ignore: decorator
@external('coproc', 'dma_in')
export declare function dmaIn(local: usize, iova: u32, bytes: u32): i32;

// @ts-ignore: decorator
@external('coproc', 'dma_out')
export declare function dmaOut(iova: u32, local: usize, bytes: u32): i32;

// @ts-ignore: decorator
@external('coproc', 'irq')
export declare function irq(number: i32): void;

// @ts-ignore: decorator
@external('coproc', 'reg_get')
export declare function registerGet(offset: u32): i32;

// @ts-ignore: decorator
@external('coproc', 'reg_set')
export declare function registerSet(offset: u32, value: i32): void;

/** What `start` and `step` return. A negative number is a failure with the firmware's own code. */
export const MORE: i32 = 0;
export const DONE: i32 = 1;
