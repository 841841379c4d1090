import type { Outcome } from '../base/outcome.ts';
import type { Duration } from '../base/units.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import type { GuestProgram } from '../contract/guest.ts';
import type { Oracle } from '../contract/oracle.ts';
import type { Platform } from '../contract/platform.ts';
import type { RunReport } from '../contract/report.ts';
import type { SchedulerFactory } from '../contract/scheduler.ts';
import type { CoprocDescription, DomainDescription } from '../contract/system.ts';
import type { DomainFiles } from '../hypervisor/domain.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Parts } from '../hypervisor/parts.ts';

/** A system as a campaign runs it, over and over. */
export interface Subject {
  readonly name: string;
  /** What its system file says that it is. */
  readonly model: string;
  readonly platforms: Readonly<Record<string, Platform>>;
  readonly schedulers: Readonly<Record<string, { readonly create: SchedulerFactory }>>;
  firmware(name: string): Outcome<FirmwareImage>;
  /** The system of one run, as this oracle has it. */
  build(oracle: Oracle, run: RunView): BuiltSystem;
  /** The laws that a run's figures break, in words. */
  laws(report: RunReport): readonly string[];
  /** Whether its domains have nothing to do with each other, and do the same without each other. */
  readonly strangers?: boolean;
  /** Makes the hypervisor, where it is not the one that ships. */
  hypervisor?(parts: Parts): Hypervisor;
}

export interface BuiltDomain {
  readonly description: DomainDescription;
  readonly program: GuestProgram;
  readonly files: DomainFiles;
}

export interface BuiltSystem {
  readonly coprocs: readonly CoprocDescription[];
  readonly domains: readonly BuiltDomain[];
  /** Domains that ask for what there is not: none of them may be created. */
  readonly refused: readonly BuiltDomain[];
  /** The run has to be over after this long, and after so many steps. */
  readonly bound: { readonly length: Duration; readonly steps: number };
}

/** What a guest that checks the house may know of its run. */
export interface RunView {
  /** Contexts of this coprocessor that were lost with it, until now. */
  losses(coproc: string): number;
  /** Whether anything was done to this coprocessor, or to this domain by its own fault elsewhere, that excuses failed commands. */
  disturbed(coproc: string, domain: string): boolean;
  /** This guest is about to do something to a coprocessor that may end in a reset or in isolation. */
  disturb(coproc: string, domain: string): void;
  /** Interrupts that faults raised on this coprocessor, beside those of commands, at most. */
  strays(coproc: string): number;
  /** A domain is ended before it was through: the time of the campaign's runs is over. */
  cutOff(): void;
  /** A law does not hold. */
  broken(law: string, what: string): void;
}
