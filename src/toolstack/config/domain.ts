import { extname, resolve } from 'node:path';
import { expectedOneOf } from '../../base/nearest.ts';
import { mib } from '../../base/units.ts';
import { domainId } from '../../contract/names.ts';
import type {
  ConfigurationWarning,
  CoprocDescription,
  DomainDescription,
  Parameters,
  SourcePosition,
  VcoprocDescription,
} from '../../contract/system.ts';
import type { Setting, Value } from './domain-file.ts';
import type { Known } from './known.ts';
import { quote, refuse, ProblemList } from './problem.ts';
import { policy } from './recovery.ts';
import { isFile } from './source.ts';

/** What a domain may ask for, and where its files are looked for. */
export interface Surroundings {
  readonly known: Known;
  readonly coprocs: readonly Pick<CoprocDescription, 'id' | 'path'>[];
  /** Folders in which `kernel` and `.wasm` files are looked for, in this order. */
  readonly folders: readonly string[];
}

const KEYS = ['name', 'memory', 'kernel', 'coproc', 'on_fault', 'extra', 'takes'];

/** Settings of xl.cfg(5) that mean nothing without real processors, disks and networks. */
const IGNORED = new Set(
  `acpi arch altp2m apic arm_sci bios bios_path_override bootloader bootloader_args boot builder channel
  claim_mode cmdline console_backend cpu_weight cpuid cpus cpus_soft cpu_cap device_model_args
  device_model_args_hvm device_model_args_pv device_model_machine device_model_override
  device_model_stubdomain_override device_model_user device_model_version device_tree dtdev disk
  driver_domain dm_restrict e820_host event_channels exportfs firmware gic_version global_properties gfx_passthru
  grant_usage hap hpet hvm init_seclabel iomem ioports irqs ioemu keyboards localtime loader max_event_channels
  max_grant_frames max_grant_version max_maptrack_frames maxmem maxvcpus mca_caps memory_hotplug msitranslate
  nestedhvm nographic nomigrate nodes numa nx on_crash on_poweroff on_reboot on_soft_reset on_watchdog
  opengl p9 pae passthrough pci pci_msitranslate pci_permissive pci_power_mgmt pci_seize pool pvh pvcalls
  pvshim pvshim_cmdline pvshim_extra pvshim_path ramdisk rdm rdm_mem_boundary reboot root rtc_timeoffset
  sched sdl seclabel serial shadow_memory smbios_firmware soundhw spice spicehost spiceport spicetls_port
  suppress_spurious_page_faults stdvga tee timer timer_mode tpm tsc_mode type usb usbctrl usbdev usbdevice
  usbversion uuid vcpus vdispl vfb vga vif vif2 vif_other videoram vkb vkeyboard viridian virtio vmtrace_buf_kb vnc
  vncconsole vncdisplay vnclisten vncpasswd vncunused vnuma vpmu vpt_align vsnd vtpm vuart xen_platform_pci
  xend_suspend_evtchn_compat xenstore_feature_mask`.split(/\s+/),
);

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const MEDIA_TYPE = /^[a-z]+\/[a-z0-9][a-z0-9.+-]*$/;
const LARGEST_MEMORY = 4095;

/**
 * Makes a domain of the settings of its file: `name`, `memory` (MiB, 1 to 4095), `kernel` (the guest
 * program's module, with or without `.ts` or `.js`), `coproc = [ "gpu0, firmware=render, weight=512" ]`,
 * `on_fault`, `extra` and `takes = [ "image/png" ]`. Throws a `ConfigurationError` with all that is wrong.
 */
export function readDomain(
  settings: readonly Setting[],
  start: SourcePosition,
  surroundings: Surroundings,
): { readonly domain: DomainDescription; readonly warnings: readonly ConfigurationWarning[] } {
  const problems = new ProblemList();
  const warnings: ConfigurationWarning[] = [];
  const given = new Map<string, Setting>();
  for (const setting of settings) {
    const { key, position } = setting;
    if (given.has(key))
      problems.add(position, `${key} is set twice`, 'expected it once, or += to add to a list');
    else if (KEYS.includes(key)) given.set(key, setting);
    else if (IGNORED.has(key))
      warnings.push({ ...position, what: `${key} is ignored: it means nothing here` });
    else problems.add(position, `unknown setting ${key}`, expectedOneOf(key, KEYS));
  }
  const part = <T>(key: string, read: (value: Value) => T, otherwise: () => T): T | undefined =>
    problems.attempt(() => {
      const setting = given.get(key);
      return setting === undefined ? otherwise() : read(setting.value);
    });
  const missing = (key: string, example: string) => (): never =>
    refuse(start, `this domain has no ${key}`, `expected ${key} = ${example}`);

  const name = part('name', nameOf, missing('name', '"NAME"'));
  const memory = part('memory', memoryOf, missing('memory', 'MEBIBYTES'));
  const kernel = part(
    'kernel',
    (value) => kernelOf(value, surroundings),
    missing('kernel', '"guests/PROGRAM.ts"'),
  );
  const coprocs = part(
    'coproc',
    (value) => vcoprocsOf(value, surroundings),
    () => [],
  );
  const extra = part('extra', textOf, () => '');
  const takes = part('takes', takesOf, () => []);
  const onFault = part(
    'on_fault',
    (value) => ({ policy: policy(textOf(value), value.position) }),
    () => undefined,
  );
  problems.finish();
  return {
    domain: {
      name: domainId(name!),
      memory: mib(memory!),
      kernel: kernel!,
      coprocs: coprocs!,
      extra: extra!,
      takes: takes!,
      ...(onFault && { onFault: onFault.policy }),
      position: given.get('name')?.position ?? start,
    },
    warnings,
  };
}

function textOf(value: Value): string {
  if (value.kind === 'string') return value.text;
  return refuse(value.position, `a ${value.kind} stands where text belongs`, 'expected a string in quotes');
}

function nameOf(value: Value): string {
  const name = textOf(value);
  if (NAME.test(name)) return name;
  return refuse(
    value.position,
    `${quote(name)} is no name of a domain`,
    "expected letters, digits, '.', '-' and '_', 64 at most",
  );
}

function memoryOf(value: Value): number {
  // xl takes a number in quotes too.
  const size =
    value.kind === 'number' ? value.number : value.kind === 'string' ? asNumber(value.text) : value.kind;
  if (typeof size === 'number' && size >= 1 && size <= LARGEST_MEMORY) return size;
  const shown = typeof size === 'number' ? size : value.kind === 'string' ? quote(value.text) : 'a list';
  return refuse(value.position, `memory = ${shown} is impossible`, `expected 1 to ${LARGEST_MEMORY} MiB`);
}

function takesOf(value: Value): string[] {
  return elements(value).map((element) => {
    const text = textOf(element);
    if (MEDIA_TYPE.test(text)) return text;
    return refuse(
      element.position,
      `${quote(text)} is no kind of input`,
      'expected a media type such as "image/png"',
    );
  });
}

/** A list's values; a single value is a list of one, as xl reads it. */
const elements = (value: Value): readonly Value[] => (value.kind === 'list' ? value.values : [value]);

function kernelOf(value: Value, { folders }: Surroundings): string {
  const wanted = textOf(value);
  const stem = /\.[jt]s$/.test(wanted) ? wanted.slice(0, -3) : wanted;
  // A packed system ships its guests compiled; beside the source the source is meant.
  const names = wanted.endsWith('.js') ? [wanted, `${stem}.ts`] : [`${stem}.ts`, `${stem}.js`];
  const module = ['.mjs', '.mts', '.cjs'].includes(extname(wanted)) ? [wanted] : names;
  return (
    firstFile(module, folders) ??
    refuse(
      value.position,
      `kernel ${quote(wanted)} does not exist`,
      `expected ${module.join(' or ')} below ${folders[0]}`,
    )
  );
}

function firstFile(names: readonly string[], folders: readonly string[]): string | undefined {
  return folders.flatMap((folder) => names.map((name) => resolve(folder, name))).find(isFile);
}

function vcoprocsOf(value: Value, surroundings: Surroundings): VcoprocDescription[] {
  const problems = new ProblemList();
  const found: VcoprocDescription[] = [];
  for (const element of elements(value)) {
    problems.attempt(() => {
      const vcoproc = readVcoproc(textOf(element), element.position, surroundings);
      if (found.some(({ coproc }) => coproc === vcoproc.coproc)) {
        refuse(
          element.position,
          `coprocessor ${vcoproc.coproc} is listed twice`,
          'expected each once in a domain',
        );
      }
      found.push(vcoproc);
    });
  }
  problems.finish();
  return found;
}

/** Reads `gpu0, firmware=render, weight=512`: a coprocessor's identifier or path, then parameters. */
function readVcoproc(text: string, position: SourcePosition, surroundings: Surroundings): VcoprocDescription {
  const [wanted = '', ...words] = text.split(',').map((word) => word.trim());
  const coproc = surroundings.coprocs.find(({ id, path }) => id === wanted || path === wanted);
  if (coproc === undefined) {
    const ids = surroundings.coprocs.map(({ id }) => id);
    refuse(position, `unknown coprocessor ${quote(wanted)}`, expectedOneOf(wanted, ids));
  }
  const parameters = new Map<string, string>();
  for (const word of words) {
    const [, key, value] = /^([A-Za-z_][\w-]*)\s*=\s*(.*)$/.exec(word) ?? [];
    if (key === undefined)
      refuse(position, `${quote(word)} is no parameter`, 'expected NAME=VALUE between commas');
    if (parameters.has(key)) refuse(position, `parameter ${key} is given twice`, 'expected it once');
    parameters.set(key, value!);
  }
  const firmware = parameters.get('firmware');
  if (firmware === undefined) {
    refuse(position, `${coproc.id} is asked for without firmware`, `expected "${coproc.id}, firmware=NAME"`);
  }
  parameters.delete('firmware');
  return {
    coproc: coproc.id,
    firmware: firmwareOf(firmware, position, surroundings),
    parameters: numbersWhereTheyAre(parameters),
    position,
  };
}

function firmwareOf(name: string, position: SourcePosition, { known, folders }: Surroundings): string {
  if (name.endsWith('.wasm')) {
    return (
      firstFile([name], folders) ??
      refuse(position, `firmware ${quote(name)} does not exist`, `expected a file below ${folders[0]}`)
    );
  }
  const names = [...known.firmwares];
  if (names.includes(name)) return name;
  return refuse(position, `unknown firmware ${quote(name)}`, expectedOneOf(name, names));
}

const numbersWhereTheyAre = (parameters: ReadonlyMap<string, string>): Parameters =>
  Object.fromEntries([...parameters].map(([key, text]) => [key, asNumber(text) ?? text]));

function asNumber(text: string): number | undefined {
  return /^(?:0x[0-9a-f]+|-?\d+(?:\.\d+)?)$/i.test(text) ? Number(text) : undefined;
}
