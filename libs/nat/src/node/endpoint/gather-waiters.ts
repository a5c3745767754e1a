import { earliest, type Instant } from '../../time/instant.ts';
import type { GatherReport } from './endpoint-types.ts';

/** Who waits for the end of a gathering, each until a time of its own. */
export class GatherWaiters {
  #waiters: { readonly deadline: Instant; readonly resolve: (report: GatherReport) => void }[] = [];

  get nextDeadline(): Instant | undefined {
    return earliest(...this.#waiters.map(({ deadline }) => deadline));
  }

  add(deadline: Instant): Promise<GatherReport> {
    return new Promise((resolve) => {
      this.#waiters.push({ deadline, resolve });
    });
  }

  resolve(report: GatherReport): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve } of waiters) resolve(report);
  }
}
