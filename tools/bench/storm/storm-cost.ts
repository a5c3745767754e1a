import { processTreeCpuSeconds } from '../process-tree-cpu.ts';

export const PARTS = ['supernodes', 'clients', 'Redis', 'PostgreSQL'] as const;
export type Part = (typeof PARTS)[number];
/** The processes of each part that run now. */
export type Processes = Readonly<Record<Part, readonly number[]>>;

/** Milliseconds of processor time, by part. */
export type Cost = Readonly<Record<Part, number>>;

/** What each part has used so far, by process: of those that were killed meanwhile nothing is known any more. */
export class StormCost {
  readonly #before: ReadonlyMap<number, number>;

  private constructor(before: ReadonlyMap<number, number>) {
    this.#before = before;
  }

  static async begin(processes: Processes): Promise<StormCost> {
    const pids = PARTS.flatMap((part) => processes[part]);
    return new StormCost(
      new Map(await Promise.all(pids.map(async (pid) => [pid, await used(pid)] as const))),
    );
  }

  /** What was used since the beginning; a process that is new since then counts from its start. */
  async since(processes: Processes): Promise<Cost> {
    const cost = async (part: Part): Promise<[Part, number]> => {
      const times = await Promise.all(
        processes[part].map(async (pid) => (await used(pid)) - (this.#before.get(pid) ?? 0)),
      );
      return [part, times.reduce((sum, time) => sum + time, 0)];
    };
    return Object.fromEntries(await Promise.all(PARTS.map(cost))) as Record<Part, number>;
  }
}

async function used(pid: number): Promise<number> {
  return (await processTreeCpuSeconds(pid)) * 1_000;
}
