import { instant, type Instant } from '../base/units.ts';
import type { TraceSink } from '../contract/events.ts';
import type { DomainId, VcoprocId } from '../contract/names.ts';
import type { Prediction, RunReport } from '../contract/report.ts';
import type { CoprocDescription } from '../contract/system.ts';
import { SpreadRecorder } from '../hypervisor/spread.ts';

/** What a prediction counts, and what it leaves out; a line each. */
export const PREDICTION_RESTS_ON = [
  'Counted: a cycle for each instruction of the firmware,',
  'moving contexts, DMA, and the way of an interrupt.',
  'Left out: caches, contention for memory, and the time',
  'that domains and the hypervisor take on processors.',
] as const;

/** Collects from the trace of a simulated run what it says of the described board. */
export class Forecast {
  readonly #latency = new Map<VcoprocId, SpreadRecorder>();
  readonly #over = new Map<DomainId, Instant>();

  readonly sink: TraceSink = (event) => {
    if (event.kind === 'complete' && event.status === 'ok') this.#of(event.vcoproc).record(event.latency);
    else if (event.kind === 'domain' && event.state !== 'running' && event.state !== 'paused') {
      if (!this.#over.has(event.domain)) this.#over.set(event.domain, event.at);
    }
  };

  /** Of coprocessors as they are described, and of what the run came to. */
  of(
    coprocs: readonly CoprocDescription[],
    { vcoprocs, wall }: Pick<RunReport, 'vcoprocs' | 'wall'>,
  ): Prediction {
    return {
      board: coprocs.map(({ id, clock, costs }) => ({
        coproc: id,
        clock,
        switchBandwidth: costs.switchBandwidth,
        dmaBandwidth: costs.dmaBandwidth,
        interruptLatency: costs.interruptLatency,
      })),
      work: vcoprocs.map(({ id, domain, commands }) => {
        const life = this.#over.get(domain) ?? instant(wall);
        return {
          vcoproc: id,
          perSecond: life === 0 ? 0 : commands.ok / (life / 1e9),
          latency: this.#of(id).spread,
        };
      }),
    };
  }

  #of(vcoproc: VcoprocId): SpreadRecorder {
    let recorder = this.#latency.get(vcoproc);
    if (recorder === undefined) this.#latency.set(vcoproc, (recorder = new SpreadRecorder()));
    return recorder;
  }
}

export const showClock = (hertz: number): string => `${round(hertz / 1e6)} MHz`;

/** Nothing is charged for what is moved at no bandwidth. */
export const showBandwidth = (bytesPerSecond: number): string =>
  bytesPerSecond === 0 ? 'no cost' : `${round(bytesPerSecond / 1e6)} MB/s`;

export const showRate = (perSecond: number): string => perSecond.toFixed(perSecond < 100 ? 1 : 0);

const round = (value: number): string => String(Number(value.toPrecision(4)));
