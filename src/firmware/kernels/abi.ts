// The coprocessor as firmware sees it. See ../ABI.md. AssemblyScript: no editor's TypeScript knows its decorators.

@external('coproc', 'dma_in')
export declare function dmaIn(local: usize, iova: u32, bytes: u32): i32;

/** Of a program that this firmware runs: from memory that was mapped to be executed. */
@external('coproc', 'dma_fetch')
export declare function dmaFetch(local: usize, iova: u32, bytes: u32): i32;

@external('coproc', 'dma_out')
export declare function dmaOut(iova: u32, local: usize, bytes: u32): i32;

@external('coproc', 'dma_fill')
export declare function dmaFill(iova: u32, value: i32, bytes: u32): i32;

/** `list`: `count` pairs of an address and a number of bytes. */
@external('coproc', 'dma_gather')
export declare function dmaGather(local: usize, list: usize, count: u32): i32;

@external('coproc', 'dma_scatter')
export declare function dmaScatter(list: usize, local: usize, count: u32): i32;

@external('coproc', 'irq')
export declare function irq(number: i32): void;

@external('coproc', 'reg_get')
export declare function registerGet(offset: u32): i32;

@external('coproc', 'reg_set')
export declare function registerSet(offset: u32, value: i32): void;

/** What `start` and `step` return. A negative number is a failure with the firmware's own code. */
export const MORE: i32 = 0;
export const DONE: i32 = 1;
