import { dirname, join, resolve } from 'node:path';
import type {
  ConfigurationWarning,
  DomainDescription,
  SourcePosition,
  SystemDescription,
} from '../../contract/system.ts';
import { readCoprocs, SHARED } from './coproc.ts';
import { readDeviceTree } from './device-tree/read.ts';
import {
  cells,
  nodeAt,
  strings,
  valuePosition,
  type DeviceProperty,
  type DeviceTree,
} from './device-tree/tree.ts';
import { parseDomainFile, type Setting, type Value } from './domain-file.ts';
import { readDomain, type Surroundings } from './domain.ts';
import type { Known } from './known.ts';
import { ProblemList, refuse, showPosition } from './problem.ts';
import { isFile, isFolder, readFolder, readSource } from './source.ts';

/** No domain file comes near this. */
const LARGEST_DOMAIN_FILE = 64 * 1024;

/** The name of the domain that the system file describes. */
const DOM0 = 'dom0';

/**
 * Reads a system: the folder's `system.dts` and the `.cfg` files of `domains`. Nothing is started or changed.
 *
 * dom0, the domain that starts with the system, is described in the system file, by the names of a
 * domain file; numbers are cells, lists are lists of strings:
 *
 *     chosen { dom0 { kernel = "guests/dom0.ts"; memory = <32>; coproc = "gpu0, firmware=noop"; }; };
 *
 * Throws a `ConfigurationError` with every problem that can be told from the others.
 */
export function loadSystem(folder: string, names: Known): SystemDescription {
  const known = settled(names);
  const root = resolve(folder);
  const system = join(root, 'system.dts');
  const start = { file: system, line: 1, column: 1 };
  if (!isFolder(root)) {
    const beside = isFile(join(dirname(root), 'system.dts')) ? `; did you mean ${dirname(folder)}?` : '';
    refuse(
      { ...start, file: root },
      isFile(root) ? 'this is a file; a system is a folder' : 'this folder does not exist',
      `expected a folder with system.dts and domains/*.cfg${beside}`,
    );
  }
  const problems = new ProblemList();
  const files = problems.attempt(() => domainFiles(join(root, 'domains')));
  const parsed = (files ?? []).map((file) => ({
    file,
    settings: problems.attempt(() =>
      parseDomainFile(readSource(file, 'utf8', undefined, LARGEST_DOMAIN_FILE)),
    ),
  }));
  const tree = problems.attempt(() => readDeviceTree(system));
  // Without the tree, every coprocessor that a domain names would seem unknown.
  if (tree === undefined) problems.finish();

  const { coprocs, names: asked } = readCoprocs(tree!, known, root, problems);
  if (asked.length === 0) {
    problems.add(
      nodeAt(tree!, SHARED)?.position ?? start,
      'this system shares no coprocessor',
      `expected an entry in ${SHARED}, or a device marked xen,coproc`,
    );
  }
  const warnings: ConfigurationWarning[] = [];
  const read = (
    settings: readonly Setting[],
    at: SourcePosition,
    folders: readonly string[],
  ): DomainDescription | undefined => {
    const surroundings: Surroundings = { known, coprocs: asked, folders };
    const found = problems.attempt(() => readDomain(settings, at, surroundings));
    for (const warning of found?.warnings ?? []) warnings.push(warning);
    return found?.domain;
  };
  const dom0 = problems.attempt(() => dom0Settings(tree!));
  const first = dom0 === undefined ? undefined : read(dom0.settings, dom0.position, [root]);
  const domains = parsed.flatMap(({ file, settings }) => {
    if (settings === undefined) return [];
    return read(settings, { file, line: 1, column: 1 }, [root, dirname(file)]) ?? [];
  });
  // Of a folder that cannot be read nobody knows that it is empty.
  if (dom0 === undefined && files?.length === 0) {
    const at = { ...start, file: join(root, 'domains') };
    problems.add(at, 'there is no domain in this system', 'expected domains/*.cfg beside system.dts');
  }
  refuseSameNames(first === undefined ? domains : [first, ...domains], problems);
  problems.finish();
  return { folder: root, model: modelOf(tree!), coprocs, domains, dom0: first, warnings };
}

/** Reads one more domain file for a system that was loaded before. Throws a `ConfigurationError`. */
export function loadDomain(
  path: string,
  { folder, coprocs }: SystemDescription,
  names: Known,
): DomainDescription {
  const file = resolve(path);
  const settings = parseDomainFile(readSource(file, 'utf8', undefined, LARGEST_DOMAIN_FILE));
  const surroundings: Surroundings = { known: settled(names), coprocs, folders: [folder, dirname(file)] };
  return readDomain(settings, { file, line: 1, column: 1 }, surroundings).domain;
}

/** The domain files, in the order of their names; a folder that is not there holds none. */
function domainFiles(folder: string): string[] {
  return readFolder(folder)
    .filter((name) => name.endsWith('.cfg'))
    .sort()
    .map((name) => join(folder, name));
}

/** /chosen/dom0 in the form of a domain file. */
function dom0Settings(tree: DeviceTree): { settings: Setting[]; position: SourcePosition } | undefined {
  const node = nodeAt(tree, `/chosen/${DOM0}`);
  if (node === undefined) return undefined;
  const settings = [...node.properties.values()]
    .filter(({ name }) => name !== 'phandle' && name !== 'linux,phandle')
    .map((property): Setting => ({
      key: property.name,
      position: property.position,
      value: valueOf(property),
    }));
  if (!node.properties.has('name')) {
    const value: Value = { kind: 'string', text: DOM0, position: node.position };
    settings.push({ key: 'name', position: node.position, value });
  }
  return { settings, position: node.position };
}

function valueOf(property: DeviceProperty): Value {
  const position = valuePosition(property);
  if (property.pieces[0]?.kind === 'cell') {
    const [number, ...more] = cells(property);
    if (more.length > 0)
      refuse(position, `${property.name} is not one number`, `expected ${property.name} = <number>`);
    return { kind: 'number', number: number!, position };
  }
  const values = strings(property).map((text, index): Value => ({
    kind: 'string',
    text,
    position: property.pieces[index]?.position ?? position,
  }));
  return values.length === 1 ? values[0]! : { kind: 'list', values, position };
}

function refuseSameNames(domains: readonly DomainDescription[], problems: ProblemList): void {
  const seen = new Map<string, DomainDescription>();
  for (const domain of domains) {
    const other = seen.get(domain.name);
    if (other !== undefined) {
      problems.add(
        domain.position,
        `domain name ${domain.name} is taken`,
        `expected another than at ${showPosition(other.position)}`,
      );
    }
    seen.set(domain.name, domain);
  }
}

function modelOf(tree: DeviceTree): string {
  const property = tree.root.properties.get('model') ?? tree.root.properties.get('compatible');
  return property === undefined ? 'unnamed board' : (strings(property)[0] ?? '');
}

/** An iterator of a map's keys runs only once; the names are needed for every coprocessor. */
const settled = (known: Known): Known => ({
  platforms: [...known.platforms],
  schedulers: [...known.schedulers],
  firmwares: [...known.firmwares],
});
