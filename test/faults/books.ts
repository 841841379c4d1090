import type { CoprocessorPort } from '../../src/contract/port.ts';
import type { SchedulerFactory } from '../../src/contract/scheduler.ts';
import { schedulers } from '../../src/schedulers/index.ts';

/** Counts who was let in and never let out: by the scheduler `round-robin`, and by coprocessors. */
export class Books {
  readonly admitted = new Set<string>();
  /** By coprocessor: the contexts that the one that lives now knows. */
  readonly attached = new Map<string, Set<number>>();

  readonly schedulers: Readonly<Record<string, { readonly create: SchedulerFactory }>> = {
    ...schedulers,
    'round-robin': { create: (settings) => this.#watched(schedulers['round-robin'].create(settings)) },
  };

  #watched(made: ReturnType<SchedulerFactory>): ReturnType<SchedulerFactory> {
    if ('kind' in made) return made;
    const { admit, remove } = made;
    return Object.assign(made, {
      admit: (...given: Parameters<typeof admit>) => {
        const answer = admit.apply(made, given);
        if (answer.kind === 'admitted') this.admitted.add(given[0]);
        return answer;
      },
      remove: (...given: Parameters<typeof remove>) => {
        this.admitted.delete(given[0]);
        remove.apply(made, given);
      },
    });
  }

  /** A coprocessor was started. */
  port(id: string, port: CoprocessorPort): CoprocessorPort {
    const known = new Set<number>();
    this.attached.set(id, known);
    return {
      ring: () => port.ring(),
      rouse: () => port.rouse(),
      addQueues: (slot, queues) => port.addQueues(slot, queues),
      kill: (reason) => port.kill(reason),
      attach: async (context) => {
        const answer = await port.attach(context);
        if (answer.kind === 'ok') known.add(context.slot);
        return answer;
      },
      detach: async (slot) => {
        const answer = await port.detach(slot);
        if (answer.kind === 'ok') known.delete(slot);
        return answer;
      },
    };
  }

  /** Whoever is still there, in words. */
  get open(): string[] {
    const contexts = [...this.attached].flatMap(([id, known]) =>
      [...known].map((slot) => `${id}: context ${slot}`),
    );
    return [...this.admitted, ...contexts];
  }
}
