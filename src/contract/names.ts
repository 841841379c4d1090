declare const name: unique symbol;
type Named<Kind extends string> = string & { readonly [name]: Kind };

/** Identifier of a shared coprocessor, as the system file gives it: `gpu0`. */
export type CoprocId = Named<'coproc'>;
/** Name of a domain, as its domain file gives it: `cluster`. */
export type DomainId = Named<'domain'>;
/** A domain's share of a coprocessor: `cluster/gpu0`. */
export type VcoprocId = Named<'vcoproc'>;

export const coprocId = (text: string): CoprocId => text as CoprocId;
export const domainId = (text: string): DomainId => text as DomainId;
export const vcoprocId = (domain: DomainId, coproc: CoprocId): VcoprocId =>
  `${domain}/${coproc}` as VcoprocId;
/** The domain of `cluster/gpu0`: `cluster`. */
export const domainOf = (vcoproc: string): DomainId => vcoproc.slice(0, vcoproc.indexOf('/')) as DomainId;
/** The coprocessor of `cluster/gpu0`: `gpu0`. */
export const coprocOf = (vcoproc: string): CoprocId => vcoproc.slice(vcoproc.indexOf('/') + 1) as CoprocId;
