import { resolve } from 'node:path';
import { expectedOneOf } from '../../base/nearest.ts';
import { bytes, kib, mib, ns, us, type Bytes } from '../../base/units.ts';
import { coprocId } from '../../contract/names.ts';
import type { CoprocDescription, Parameters } from '../../contract/system.ts';
import { interrupts, regions, specifiers, whyUnusable } from './device-tree/bus.ts';
import {
  baseName,
  cellPosition,
  cells,
  everyNode,
  nodeAt,
  string,
  strings,
  valuePosition,
  type DeviceNode,
  type DeviceProperty,
  type DeviceTree,
} from './device-tree/tree.ts';
import type { Known } from './known.ts';
import { integer, microseconds, wholeNumber } from './numbers.ts';
import { expectedLike, quote, refuse, ProblemList } from './problem.ts';
import { RECOVERY_PROPERTIES, deadlinesOf, recoveryOf } from './recovery.ts';
import { isFile } from './source.ts';

export const SHARED = '/chosen/coprocessors';
const SHARED_COMPATIBLE = 'covisor,shared-coprocessors';
const MARK = 'xen,coproc';

/**
 * What a coprocessor has when nothing is said. The time slice is the shortest of the Cell's spufs, the
 * stop deadline is i915's preemption timeout, the command timeout is KFD's preemption timeout; the costs
 * are those of a mobile coprocessor on a shared LPDDR4 bus.
 */
const COPROC_DEFAULTS = {
  scheduler: 'round-robin',
  timeslice: us(5_000),
  stopDeadline: us(640_000),
  commandTimeout: us(9_000_000),
  localMemory: kib(256),
  clock: 500_000_000,
  switchBandwidth: 2_000_000_000,
  dmaBandwidth: 4_000_000_000,
  interruptLatency: ns(2_000),
} as const;

/** What a child of /chosen/coprocessors may say; `scheduler-NAME` besides goes to the scheduler as NAME. */
const ENTRY_PROPERTIES = [
  'device',
  'platform',
  'scheduler',
  'timeslice-us',
  'stop-deadline-us',
  'command-timeout-us',
  'deny-retry-limit',
  'reset-deadline-us',
  'heartbeat-us',
  'verify-local-memory',
  ...RECOVERY_PROPERTIES,
];
const SCHEDULER_PARAMETER = 'scheduler-';

/** Our own properties in a device's node. */
const DEVICE_PROPERTIES = [
  'covisor,local-memory',
  'covisor,switch-bandwidth-mbps',
  'covisor,dma-bandwidth-mbps',
  'covisor,interrupt-latency-ns',
];

const IDENTIFIER = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;
/** What a WebAssembly memory grows by. */
const LOCAL_MEMORY_PAGE = kib(64);

interface Shared {
  readonly id: string;
  readonly device: DeviceNode;
  /** Its entry below /chosen/coprocessors; a device that is only marked has none. */
  readonly entry: DeviceNode | undefined;
}

/**
 * The shared coprocessors of a tree: the entries of /chosen/coprocessors in their order,
 *
 *     coprocessors {
 *       compatible = "covisor,shared-coprocessors";
 *       gpu0 { device = <&gpu>; scheduler = "round-robin"; timeslice-us = <2000>; stop-deadline-us = <40000>; };
 *     };
 *
 * then every device marked `xen,coproc` that has no entry, with the defaults, named after its node. `scheduler`
 * may be the path of a user's own, relative to the system's `folder`, and so may `platform`, which otherwise
 * is the one that the device's `compatible` names.
 * What is wrong goes to `problems`; the result then lacks it.
 */
export function readCoprocs(
  tree: DeviceTree,
  known: Known,
  folder: string,
  problems: ProblemList,
): {
  readonly coprocs: readonly CoprocDescription[];
  /** All that are shared, those with problems too: a domain that names one is not wrong. */
  readonly names: readonly Pick<CoprocDescription, 'id' | 'path'>[];
} {
  const shared = [...entriesOf(tree, problems)];
  shared.push(...markedOnly(tree, shared, problems));
  const found: CoprocDescription[] = [];
  for (const one of shared) {
    const coproc = describe(tree, one, known, folder, problems);
    if (coproc !== undefined) found.push(coproc);
  }
  refuseOverlaps(shared, problems);
  refuseSharedStreams(tree, shared, problems);
  // An entry whose device is wrong is named all the same: the domains that use it are not wrong.
  const broken = nodeAt(tree, SHARED)?.children.filter((entry) => shared.every((one) => one.entry !== entry));
  const names = [
    ...shared.map(({ id, device }) => ({ id: coprocId(id), path: device.path })),
    ...(broken ?? []).map(({ name, path }) => ({ id: coprocId(name), path })),
  ];
  return { coprocs: found, names };
}

function entriesOf(tree: DeviceTree, problems: ProblemList): Shared[] {
  const list = nodeAt(tree, SHARED);
  if (list === undefined) return [];
  problems.attempt(() => {
    const property = list.properties.get('compatible');
    const found = property === undefined ? [] : strings(property);
    if (found.includes(SHARED_COMPATIBLE)) return;
    const at = property === undefined ? list.position : valuePosition(property);
    refuse(at, `${SHARED} is not marked as ours`, `expected compatible = "${SHARED_COMPATIBLE}"`);
  });
  const taken = new Map<DeviceNode, string>();
  const shared: Shared[] = [];
  for (const entry of list.children) {
    problems.attempt(() => {
      const device = deviceOf(tree, entry);
      const other = taken.get(device);
      if (other !== undefined) {
        refuse(
          valuePosition(entry.properties.get('device')!),
          `${device.path} is shared as ${other} already`,
          'expected another device',
        );
      }
      taken.set(device, entry.name);
      shared.push({ id: entry.name, device, entry });
    });
  }
  return shared;
}

function deviceOf(tree: DeviceTree, entry: DeviceNode): DeviceNode {
  if (!IDENTIFIER.test(entry.name)) {
    refuse(
      entry.position,
      `${quote(entry.name)} is no identifier of a coprocessor`,
      "expected a letter, then letters, digits, '-' or '_', 32 at most",
    );
  }
  const property = entry.properties.get('device');
  if (property === undefined)
    refuse(entry.position, `coprocessor ${entry.name} has no device`, 'expected device = <&label>');
  const at = valuePosition(property);
  if (property.pieces[0]?.kind === 'cell') {
    const [phandle, ...more] = cells(property);
    if (more.length > 0)
      refuse(cellPosition(property, 1), 'device names more than one node', 'expected device = <&label>');
    return (
      tree.phandles.get(phandle!) ??
      refuse(at, `device refers to phandle ${phandle}, which no node has`, 'expected device = <&label>')
    );
  }
  const path = string(property);
  const paths = [...everyNode(tree.root)].map((node) => node.path);
  return (
    nodeAt(tree, path) ??
    refuse(
      at,
      `device ${quote(path)} is not in the tree`,
      expectedLike('the whole path of a node', path, paths),
    )
  );
}

function markedOnly(tree: DeviceTree, entries: readonly Shared[], problems: ProblemList): Shared[] {
  const ids = new Set(entries.map(({ id }) => id));
  const marked = [...everyNode(tree.root)].filter(
    (node) => node.properties.has(MARK) && !entries.some(({ device }) => device === node),
  );
  return marked.map((device) => {
    // Two devices of one kind differ in unit address only: their labels tell them apart.
    const id = [baseName(device), ...device.labels].find((name) => !ids.has(name));
    if (id === undefined) {
      problems.add(
        device.position,
        `${device.path} is marked ${MARK}, but the identifier ${baseName(device)} is taken`,
        'expected a label, or an entry in /chosen/coprocessors',
      );
    }
    ids.add(id ?? device.name);
    return { id: id ?? device.name, device, entry: undefined };
  });
}

function describe(
  tree: DeviceTree,
  shared: Shared,
  known: Known,
  folder: string,
  problems: ProblemList,
): CoprocDescription | undefined {
  const { id, device, entry } = shared;
  // Each part is tried on its own: a user wants to see all that is wrong with a device at once.
  const part = <T>(read: () => T): T | undefined => problems.attempt(read);
  part(() => refuseUnusable(device));
  part(() => refuseUnknownProperties(device, entry));
  const compatible = part(() => platformOf(entry, known, folder) ?? compatibleOf(device, known));
  const scheduler = part(() => schedulerOf(entry, known, folder));
  const timeslice = part(() => microseconds(entry, 'timeslice-us', COPROC_DEFAULTS.timeslice));
  const stopDeadline = part(() => microseconds(entry, 'stop-deadline-us', COPROC_DEFAULTS.stopDeadline));
  const commandTimeout = part(() =>
    microseconds(entry, 'command-timeout-us', COPROC_DEFAULTS.commandTimeout),
  );
  const denyRetryLimit = part(() => ({
    limit: integer(entry, 'deny-retry-limit', { from: 1, to: 1_000_000 }),
  }));
  const recovery = part(() => recoveryOf(entry));
  const deadlines = part(() => deadlinesOf(entry));
  const verifiesMemory = part(() => flag(entry, 'verify-local-memory'));
  const localMemory = part(() => localMemoryOf(device));
  const clock = part(
    () => integer(device, 'clock-frequency', { from: 1_000, to: 100_000_000_000 }) ?? COPROC_DEFAULTS.clock,
  );
  const registers = part(() => registersOf(device));
  const irqs = part(() => interrupts(tree, device));
  const stream = part(() => ({ id: streamOf(tree, device)?.id }));
  const costs = part(() => ({
    switchBandwidth: megabytes(device, 'covisor,switch-bandwidth-mbps') ?? COPROC_DEFAULTS.switchBandwidth,
    dmaBandwidth: megabytes(device, 'covisor,dma-bandwidth-mbps') ?? COPROC_DEFAULTS.dmaBandwidth,
    interruptLatency: ns(
      integer(device, 'covisor,interrupt-latency-ns', { from: 0, to: 1_000_000_000 }) ??
        COPROC_DEFAULTS.interruptLatency,
    ),
  }));
  if (
    compatible === undefined ||
    scheduler === undefined ||
    timeslice === undefined ||
    stopDeadline === undefined ||
    commandTimeout === undefined ||
    denyRetryLimit === undefined ||
    recovery === undefined ||
    deadlines === undefined ||
    verifiesMemory === undefined ||
    localMemory === undefined ||
    clock === undefined ||
    registers === undefined ||
    irqs === undefined ||
    stream === undefined ||
    costs === undefined
  ) {
    return undefined;
  }
  return {
    id: coprocId(id),
    path: device.path,
    compatible,
    scheduler,
    timeslice,
    stopDeadline,
    commandTimeout,
    ...deadlines,
    recovery,
    verifiesMemory,
    denyRetryLimit: denyRetryLimit.limit,
    localMemory,
    clock,
    registers: { base: registers.base, size: bytes(registers.size) },
    interrupts: irqs,
    streamId: stream.id,
    costs,
    position: (entry ?? device).position,
  };
}

function refuseUnusable(device: DeviceNode): void {
  const status = whyUnusable(device);
  if (status === undefined) return;
  refuse(
    valuePosition(device.properties.get('status')!),
    `${device.path} is to be shared, but its status is ${quote(status)}`,
    'expected "okay"',
  );
}

function refuseUnknownProperties(device: DeviceNode, entry: DeviceNode | undefined): void {
  for (const { name, position } of device.properties.values()) {
    if (name.startsWith('covisor,') && !DEVICE_PROPERTIES.includes(name)) {
      refuse(
        position,
        `${device.name} has the unknown property ${name}`,
        expectedOneOf(name, DEVICE_PROPERTIES),
      );
    }
  }
  for (const { name, position } of entry?.properties.values() ?? []) {
    const free = name === 'phandle' || name === 'linux,phandle';
    const parameter = name.startsWith(SCHEDULER_PARAMETER) && name !== SCHEDULER_PARAMETER;
    if (!free && !parameter && !ENTRY_PROPERTIES.includes(name)) {
      const expected = expectedOneOf(name, [...ENTRY_PROPERTIES, `${SCHEDULER_PARAMETER}...`]);
      refuse(position, `coprocessor ${entry!.name} has the unknown property ${name}`, expected);
    }
  }
  const child = entry?.children[0];
  if (child !== undefined)
    refuse(child.position, `coprocessor ${entry!.name} has a child node`, 'expected properties only');
}

function compatibleOf(device: DeviceNode, known: Known): string {
  const property = device.properties.get('compatible');
  const platforms = [...known.platforms];
  if (property === undefined) {
    refuse(device.position, `${device.path} has no compatible`, expectedOneOf('', platforms));
  }
  const wanted = strings(property);
  const found = wanted.find((name) => platforms.includes(name));
  return (
    found ??
    refuse(
      valuePosition(property),
      `no platform is known for ${wanted.map(quote).join(', ')}`,
      expectedOneOf(wanted[0]!, platforms),
    )
  );
}

/** The absolute path of a user's own platform, or one of this build in spite of what the device says. */
function platformOf(entry: DeviceNode | undefined, known: Known, folder: string): string | undefined {
  const property = entry?.properties.get('platform');
  if (property === undefined) return undefined;
  const wanted = string(property);
  if (isModuleFile(wanted)) return moduleFile('platform', property, wanted, folder);
  const platforms = [...known.platforms];
  if (platforms.includes(wanted)) return wanted;
  return refuse(
    valuePosition(property),
    `unknown platform ${quote(wanted)}`,
    `${expectedOneOf(wanted, platforms)}, or the path of a .ts, .js or .mjs file`,
  );
}

/** Where the file is that a property names. */
function moduleFile(what: string, property: DeviceProperty, wanted: string, folder: string): string {
  const file = resolve(folder, wanted);
  if (isFile(file)) return file;
  return refuse(
    valuePosition(property),
    `${what} ${quote(wanted)} does not exist`,
    `expected a file below ${folder}`,
  );
}

/** Whether the name of a scheduler or a platform is the path of a user's own. */
export const isModuleFile = (name: string): boolean => /\.(?:ts|js|mjs)$/.test(name);

function schedulerOf(
  entry: DeviceNode | undefined,
  known: Known,
  folder: string,
): { name: string; parameters: Parameters } {
  const property = entry?.properties.get('scheduler');
  const wanted = property === undefined ? COPROC_DEFAULTS.scheduler : string(property);
  const own = property !== undefined && isModuleFile(wanted);
  const name = own ? moduleFile('scheduler', property, wanted, folder) : wanted;
  const schedulers = [...known.schedulers];
  if (!own && !schedulers.includes(name)) {
    const at = property === undefined ? entry?.position : valuePosition(property);
    if (at !== undefined) refuse(at, `unknown scheduler ${quote(name)}`, expectedOneOf(name, schedulers));
  }
  const parameters: Record<string, number | string> = Object.create(null);
  for (const given of entry?.properties.values() ?? []) {
    if (!given.name.startsWith(SCHEDULER_PARAMETER)) continue;
    parameters[given.name.slice(SCHEDULER_PARAMETER.length)] =
      given.pieces[0]?.kind === 'string' ? string(given) : wholeNumber(given);
  }
  return { name, parameters: { ...parameters } };
}

function registersOf(device: DeviceNode): { base: number; size: number } {
  const [window] = regions(device);
  if (window === undefined)
    refuse(
      device.position,
      `${device.path} has no reg`,
      'expected the register window, reg = <address size>',
    );
  return window;
}

function localMemoryOf(device: DeviceNode): Bytes {
  const names = ['covisor,local-memory', 'local-memory-size'].filter((name) => device.properties.has(name));
  const name = names[0];
  if (name === undefined) return COPROC_DEFAULTS.localMemory;
  const size =
    integer(device, name, { from: LOCAL_MEMORY_PAGE, to: mib(256) }) ?? COPROC_DEFAULTS.localMemory;
  const at = valuePosition(device.properties.get(name)!);
  if (size % LOCAL_MEMORY_PAGE !== 0) {
    refuse(
      at,
      `${name} = ${size} is not whole pages`,
      `expected a multiple of ${LOCAL_MEMORY_PAGE} (64 KiB)`,
    );
  }
  return bytes(size);
}

function streamOf(
  tree: DeviceTree,
  device: DeviceNode,
): { iommu: DeviceNode; id: number | undefined } | undefined {
  const property = device.properties.get('iommus');
  if (property === undefined) return undefined;
  const [first] = specifiers(tree, property, '#iommu-cells');
  if (first === undefined) refuse(property.position, 'iommus is empty', 'expected iommus = <&iommu stream>');
  return { iommu: first.node, id: first.args[0] };
}

/** Two windows on the same addresses: a domain would reach its neighbour's registers. */
function refuseOverlaps(shared: readonly Shared[], problems: ProblemList): void {
  const windows = shared.flatMap(({ device }) =>
    regionsOrNone(device).map((region) => ({ device, ...region })),
  );
  const siblings = new Set(shared.flatMap(({ device }) => device.parent?.children ?? []));
  for (const { device } of shared) siblings.delete(device);
  const others = [...siblings]
    .filter(
      (device) =>
        !device.properties.has('status') || device.properties.get('status')?.bytes[0] === 'o'.charCodeAt(0),
    )
    .flatMap((device) => regionsOrNone(device).map((region) => ({ device, ...region })));
  windows.forEach((window, index) => {
    const rest = [...windows.slice(0, index), ...others];
    const other = rest.find(
      ({ base, size }) => base < window.base + window.size && window.base < base + size,
    );
    if (other === undefined) return;
    problems.add(
      valuePosition(window.device.properties.get('reg')!),
      `reg of ${window.device.path} overlaps that of ${other.device.path}`,
      `expected addresses outside 0x${other.base.toString(16)} to 0x${(other.base + other.size - 1).toString(16)}`,
    );
  });
}

// A device whose reg is wrong has been named already, or is none of ours.
function regionsOrNone(device: DeviceNode): { base: number; size: number }[] {
  return quietly(() => regions(device)) ?? [];
}

/** One stream for two coprocessors would be one address space for their contexts. */
function refuseSharedStreams(tree: DeviceTree, shared: readonly Shared[], problems: ProblemList): void {
  const seen: { device: DeviceNode; iommu: DeviceNode; id: number | undefined }[] = [];
  for (const { device } of shared) {
    const stream = quietly(() => streamOf(tree, device));
    if (stream === undefined) continue;
    const other = seen.find(({ iommu, id }) => iommu === stream.iommu && id === stream.id);
    if (other !== undefined) {
      problems.add(
        valuePosition(device.properties.get('iommus')!),
        `${device.path} has the IOMMU stream of ${other.device.path}`,
        'expected a stream of its own',
      );
    }
    seen.push({ device, ...stream });
  }
}

function quietly<T>(read: () => T): T | undefined {
  return new ProblemList().attempt(read);
}

/** A property without a value, which is there or not. */
function flag(node: DeviceNode | undefined, name: string): boolean {
  const property = node?.properties.get(name);
  if (property === undefined) return false;
  if (property.bytes.length > 0)
    refuse(valuePosition(property), `${name} has a value`, `expected ${name}; alone, or nothing`);
  return true;
}

/** Megabytes per second (10^6), as bytes per second. */
function megabytes(node: DeviceNode, name: string): number | undefined {
  const value = integer(node, name, { from: 1, to: 10_000_000 });
  return value === undefined ? undefined : value * 1e6;
}
