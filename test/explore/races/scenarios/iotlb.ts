// The IOTLB protocol: memory that was taken from a device is reused only when the device can reach it no more.
import { Iommu, reach } from '../../../../src/memory/iommu.ts';
import { BLOCK_BYTES } from '../../../../src/memory/guest-ram.ts';
import { AddressSpace, RIGHT } from '../../../../src/memory/page-table.ts';
import { pause, scenario } from '../../../../src/explore/races/scenario.ts';

const PAGE = 4096;
const PUBLIC = 1;
const SECRET = 2;
const BYTES = 4;
const ACKNOWLEDGED = 0;

const system = (pages = 1) => {
  const ram = new SharedArrayBuffer(pages * PAGE);
  const space = new AddressSpace(PAGE);
  const iovas = Array.from({ length: pages }, (_, page) =>
    space.map(page * PAGE, PAGE, RIGHT.read | RIGHT.write)!,
  );
  const bytes = new Uint8Array(ram);
  bytes.fill(PUBLIC);
  const iommu = new Iommu();
  iommu.enter(reach(space.memory, ram));
  const words = new Int32Array(new SharedArrayBuffer(8));
  return { ram: bytes, space, iommu, iovas, words, epoch: 0, seen: [] as number[], faults: 0 };
};
type System = ReturnType<typeof system>;

/** Takes the page away, waits until no translation of it is in use, and gives it to somebody else. */
function takeAway({ space, iovas, words, ram }: System): void {
  const { epoch } = space.unmap(iovas[0]!)!;
  while (Atomics.load(words, ACKNOWLEDGED) !== epoch) pause();
  ram.fill(SECRET, 0, BYTES);
}

function dma(state: System, iova: number): void {
  const local = new Uint8Array(BYTES);
  if (state.iommu.read(iova, local) === undefined) state.seen.push(local[0]!, local[BYTES - 1]!);
  else state.faults++;
}

/** Between two steps: stale translations go, then the hypervisor is told. */
function acknowledge({ iommu, words }: System): void {
  const epoch = iommu.synchronise();
  if (epoch !== -1) Atomics.store(words, ACKNOWLEDGED, epoch);
}

const nothingLeaked = ({ seen }: System): void => {
  if (seen.some((byte) => byte !== PUBLIC)) throw new Error(`the device read ${seen.join()}`);
};

export const scenarios = {
  'a page is taken away while the device reads': scenario({
    setup: () => system(),
    threads: {
      hypervisor: takeAway,
      device(state) {
        dma(state, state.iovas[0]!);
        acknowledge(state);
        dma(state, state.iovas[0]!);
        while (!state.iommu.stale && Atomics.load(state.words, ACKNOWLEDGED) === 0) pause();
        acknowledge(state);
        dma(state, state.iovas[0]!);
      },
    },
    check(state) {
      nothingLeaked(state);
      if (state.faults === 0) throw new Error('the device still reaches the page in the end');
    },
  }),
  'a page is taken away while the device writes': scenario({
    setup: () => system(),
    threads: {
      hypervisor: takeAway,
      device(state) {
        const local = new Uint8Array(BYTES).fill(PUBLIC);
        state.iommu.write(state.iovas[0]!, local);
        acknowledge(state);
        state.iommu.write(state.iovas[0]!, local);
        while (!state.iommu.stale && Atomics.load(state.words, ACKNOWLEDGED) === 0) pause();
        acknowledge(state);
        if (state.iommu.write(state.iovas[0]!, local) === undefined) state.faults = -1;
      },
    },
    check({ ram, faults }) {
      if (ram[0] !== SECRET || faults === -1)
        throw new Error('the device wrote into a page that was taken away');
    },
  }),
  'one of two pages is taken away': scenario({
    setup: () => system(2),
    threads: {
      hypervisor: takeAway,
      device(state) {
        dma(state, state.iovas[0]!);
        dma(state, state.iovas[1]!);
        while (!state.iommu.stale) pause();
        acknowledge(state);
        dma(state, state.iovas[0]!);
        dma(state, state.iovas[1]!);
      },
    },
    check(state) {
      nothingLeaked(state);
      if (state.faults === 0 || state.seen.length < 4)
        throw new Error(`${state.faults} faults, read ${state.seen.join()}`);
    },
  }),
  'a whole block is taken away while the device reads': scenario({
    setup() {
      const ram = new SharedArrayBuffer(BLOCK_BYTES);
      const space = new AddressSpace(BLOCK_BYTES);
      const state = { ...system(), space, ram: new Uint8Array(ram) };
      state.ram.fill(PUBLIC, 0, BYTES);
      state.iovas = [space.map(0, BLOCK_BYTES, RIGHT.read)!];
      state.iommu.enter(reach(space.memory, ram));
      return state;
    },
    threads: {
      hypervisor: takeAway,
      device(state) {
        dma(state, state.iovas[0]!);
        while (!state.iommu.stale) pause();
        acknowledge(state);
        dma(state, state.iovas[0]!);
      },
    },
    check(state) {
      nothingLeaked(state);
      if (state.faults === 0) throw new Error('the device still reaches the block in the end');
    },
  }),
  'a context is loaded while a page is taken away': scenario({
    setup: () => system(),
    threads: {
      hypervisor: ({ space, iovas }) => void space.unmap(iovas[0]!),
      device(state) {
        state.iommu.enter(reach(state.space.memory, state.ram.buffer));
        dma(state, state.iovas[0]!);
      },
    },
    check: nothingLeaked,
  }),
  'a first page is mapped while the device looks': scenario({
    setup() {
      const state = { ...system(), space: new AddressSpace(PAGE) };
      state.iommu.enter(reach(state.space.memory, state.ram.buffer));
      return { ...state, mappedAt: undefined as number | undefined };
    },
    threads: {
      hypervisor(state) {
        state.mappedAt = state.space.map(0, PAGE, RIGHT.read);
      },
      device: (state) => dma(state, BLOCK_BYTES),
    },
    check(state) {
      nothingLeaked(state);
      if (state.mappedAt !== BLOCK_BYTES) throw new Error('addresses begin elsewhere now; look there');
      dma(state, BLOCK_BYTES);
      if (state.seen.length === 0) throw new Error('a page that was mapped is not reached');
      const { faults } = state;
      dma(state, 2 * BLOCK_BYTES);
      if (state.faults !== faults + 1) throw new Error('a block without pages is reached');
    },
  }),
  // The epoch is told once, and what another context left behind is gone.
  'another context comes after': scenario({
    setup: () => ({ first: system(), second: system(2), epochs: [] as number[] }),
    threads: {
      hypervisor({ first }) {
        first.space.unmap(first.iovas[0]!);
      },
      device({ first, epochs }) {
        dma(first, first.iovas[0]!);
        while (!first.iommu.stale) pause();
        epochs.push(first.iommu.synchronise(), first.iommu.synchronise());
      },
    },
    check({ first, second, epochs }) {
      if (epochs.join() !== '1,-1' || first.iommu.stale)
        throw new Error(`the epochs told are ${epochs.join()}`);
      const { iommu } = first;
      const unused = new Iommu();
      if (unused.stale || unused.synchronise() !== -1) throw new Error('an epoch of no table');
      second.ram.fill(SECRET, PAGE);
      second.space.unmap(second.space.map(0, PAGE, RIGHT.read)!);
      const moved = second.space.unmap(second.iovas[0]!);
      if (second.space.unmap(second.iovas[0]!) !== undefined) throw new Error('unmapped twice');
      iommu.enter(reach(second.space.memory, second.ram.buffer));
      if (moved?.epoch !== 2 || iommu.stale) throw new Error('a table that was just entered is stale');
      dma(first, second.iovas[1]!);
      if (first.seen.at(-1) !== SECRET) throw new Error('the second context does not reach its page');
      dma(first, second.space.map(0, 2 * PAGE, RIGHT.read)! + PAGE);
      if (first.seen.at(-1) !== SECRET) throw new Error('the second page of a mapping is another one');
      iommu.enter(reach(second.space.memory, second.ram.buffer));
      second.space.unmap(second.iovas[1]!);
      iommu.enter(reach(second.space.memory, second.ram.buffer));
      const before = first.faults;
      dma(first, second.iovas[1]!);
      if (first.faults !== before + 1) throw new Error('what an earlier context used is still reached');
    },
  }),
};
