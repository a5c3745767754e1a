import { SupernodeError } from '../../errors.ts';
import { MemorySessionBook } from '../session-book.memory.ts';
import type { SessionBook } from '../session-book.port.ts';

/** A shared book that can be taken away and brought back, with what it had or empty. */
export class DetachableBook {
  private inner = new MemorySessionBook();
  isAway = false;
  /** What is asked gets there only when these resolve. */
  readonly waits = new Map<keyof SessionBook, Promise<void>>();
  /** What is asked is done, and its answer is lost. */
  losesAnswers = false;

  get held(): MemorySessionBook {
    return this.inner;
  }

  readonly store = {
    book: new Proxy({} as SessionBook, {
      get:
        (_target, name: keyof SessionBook) =>
        async (...args: unknown[]): Promise<unknown> => {
          if (this.isAway) throw unreachable();
          await this.waits.get(name);
          const work = this.inner[name].bind(this.inner) as (...all: unknown[]) => Promise<unknown>;
          const answer = await work(...args);
          if (this.losesAnswers) throw unreachable();
          return answer;
        },
    }),
    isUp: (): boolean => !this.isAway,
  };

  empty(): void {
    this.inner = new MemorySessionBook();
  }
}

function unreachable(): SupernodeError {
  return new SupernodeError('SN_REDIS_UNREACHABLE', 'The store does not answer.');
}
