import { until } from '../../processes/until.ts';
import { machineClockMs } from '../machine-clock.ts';
import type { Arrivals, Tally } from './crowd-commands.ts';
import { readText } from './numbered-text.ts';

const DEADLINE_MS = 30_000;

interface Round {
  readonly seen: Set<string>;
  readonly latenciesMs: number[];
  wrong: number;
  lastAt: number;
}

/** Counts what comes to the apps, each message once. */
export class ArrivalLog {
  readonly #rounds = new Map<string, Round>();

  note(client: number, text: string): void {
    const now = machineClockMs();
    const message = readText(text);
    const round = this.#round(message?.round ?? 'unreadable');
    const key = `${client} ${message?.number ?? ''}`;
    if (message?.client !== client || round.seen.has(key)) {
      round.wrong += 1;
      return;
    }
    round.seen.add(key);
    round.latenciesMs.push(now - message.dueAt);
    round.lastAt = now;
  }

  /** @throws DeadlineError when they do not come */
  async waitFor(name: string, count: number): Promise<Arrivals> {
    const round = this.#round(name);
    await until(
      `${count} messages of ${name}`,
      () => (round.seen.size >= count ? true : undefined),
      DEADLINE_MS,
    );
    return { lastAt: round.lastAt, latenciesMs: round.latenciesMs };
  }

  tally(): Record<string, Tally> {
    const entries = [...this.#rounds].map(
      ([name, { seen, wrong }]) => [name, { different: seen.size, wrong }] as const,
    );
    return Object.fromEntries(entries);
  }

  #round(name: string): Round {
    const found = this.#rounds.get(name);
    if (found) return found;
    const round: Round = { seen: new Set(), latenciesMs: [], wrong: 0, lastAt: 0 };
    this.#rounds.set(name, round);
    return round;
  }
}
