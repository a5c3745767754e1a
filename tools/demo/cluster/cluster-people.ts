import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RemoteProcess } from '../../processes/remote-process.ts';
import type { Conversation, CrowdCommands, News, ReceivedMessage, Whereabouts } from './crowd-messages.ts';

const ENTRY = fileURLToPath(new URL('./crowd-process.js', import.meta.url));
const PROCESSES = 4;
const WRITE_EVERY_MS = 2_000;
/** The rest has sessions without voice: a small machine codes few voices beside a whole cluster. */
const CALL_EVERY = 5;
const RELAYED_EVERY = 3;

type Crowd = RemoteProcess<CrowdCommands>;

interface Place {
  readonly crowd: Crowd;
  readonly name: string;
  readonly userId: string;
}

/** Two contacts who talk to and write each other. */
export interface Pair {
  readonly caller: Place;
  readonly callee: Place;
  readonly kind: 'call' | 'session';
  readonly relayed: boolean;
}

/** Edge clients in a few processes, in pairs whose two ends are in different ones. */
export class ClusterPeople {
  readonly #folder: string;
  readonly #crowds: readonly Crowd[];
  #pairs: readonly Pair[] = [];

  private constructor(folder: string, crowds: readonly Crowd[]) {
    this.#folder = folder;
    this.#crowds = crowds;
  }

  static async start(): Promise<ClusterPeople> {
    const folder = await mkdtemp(join(tmpdir(), 'parley-demo-'));
    const crowds = Array.from({ length: PROCESSES }, (_, at): Crowd => {
      const child = fork(ENTRY, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
      child.stdout?.pipe(process.stderr);
      return new RemoteProcess<CrowdCommands>(`clients ${at + 1}`, child);
    });
    return new ClusterPeople(folder, crowds);
  }

  get pairs(): readonly Pair[] {
    return this.#pairs;
  }

  /** Name of a user. */
  nameOf(userId: string): string {
    const places = this.#pairs.flatMap(({ caller, callee }) => [caller, callee]);
    return places.find((place) => place.userId === userId)?.name ?? userId;
  }

  /** `urls`: clients come in at all of them. Every third pair is relayed, every fifth one calls. */
  async join(urls: readonly string[], clients: number): Promise<void> {
    const opened = await Promise.all(
      this.#crowds.map(async (crowd, at) => {
        const names = Array.from(
          { length: clients / PROCESSES },
          (_, number) => `edge-${at + 1}-${number + 1}`,
        );
        const url = urls[at % urls.length] ?? '';
        const { users } = await crowd.run('open', { url, folder: this.#folder, names });
        return users.map((user): Place => ({ crowd, ...user }));
      }),
    );
    const half = opened.length / 2;
    const [callers, callees] = [opened.slice(0, half).flat(), opened.slice(half).flat()];
    this.#pairs = callers.flatMap((caller, at): Pair[] => {
      const callee = callees[at];
      const kind = at % CALL_EVERY === 0 ? 'call' : 'session';
      return callee ? [{ caller, callee, kind, relayed: at % RELAYED_EVERY === 0 }] : [];
    });
  }

  async acquaint(): Promise<void> {
    await this.#all((crowd) => crowd.run('answerAll', null));
    for (const crowd of this.#crowds) await crowd.run('ask', this.#towards(crowd, 'caller'));
    for (const crowd of this.#crowds) await crowd.run('accept', this.#towards(crowd, 'callee'));
    await this.#all(async (crowd) => {
      await crowd.run('watch', [...this.#towards(crowd, 'caller'), ...this.#towards(crowd, 'callee')]);
    });
  }

  async talk(): Promise<void> {
    for (const { caller, callee, kind, relayed } of this.#pairs) {
      const towards = { name: caller.name, userId: callee.userId, relayed };
      await caller.crowd.run(kind === 'call' ? 'call' : 'openSession', towards);
    }
  }

  async write(): Promise<void> {
    for (const { caller, callee } of this.#pairs) {
      const everyMs = WRITE_EVERY_MS;
      await caller.crowd.run('write', { name: caller.name, userId: callee.userId, everyMs });
      await callee.crowd.run('write', { name: callee.name, userId: caller.userId, everyMs });
    }
  }

  /** How every conversation travels; from now on gaps count. */
  async begin(): Promise<readonly Conversation[]> {
    return (await this.#all((crowd) => crowd.run('begin', null))).flat();
  }

  /** Of any of the processes, since `begin`. */
  async longestStallMs(): Promise<number> {
    return Math.max(...(await this.#all((crowd) => crowd.run('stall', null))));
  }

  async news(): Promise<News> {
    const all = await this.#all((crowd) => crowd.run('news', null));
    return {
      reHomed: all.flatMap(({ reHomed }) => reHomed),
      offline: all.flatMap(({ offline }) => offline),
      paths: all.flatMap(({ paths }) => paths),
    };
  }

  async whereabouts(): Promise<readonly Whereabouts[]> {
    return (await this.#all((crowd) => crowd.run('whereabouts', null))).flat();
  }

  async conversations(): Promise<readonly Conversation[]> {
    return (await this.#all((crowd) => crowd.run('conversations', null))).flat();
  }

  /** Everything that was stored, once all is. @throws RemoteProcessError when it does not get there */
  async stored(): Promise<readonly { readonly id: string; readonly to: string }[]> {
    return (await this.#all((crowd) => crowd.run('finishMessages', null))).flatMap(({ stored }) => stored);
  }

  async received(): Promise<readonly ReceivedMessage[]> {
    return (await this.#all((crowd) => crowd.run('received', null))).flat();
  }

  async close(): Promise<void> {
    await this.#all((crowd) => crowd.stop());
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** What the clients of a process do towards the other end of their pair. */
  #towards(crowd: Crowd, side: 'caller' | 'callee'): { name: string; userId: string }[] {
    return this.#pairs
      .filter((pair) => pair[side].crowd === crowd)
      .map((pair) => ({
        name: pair[side].name,
        userId: pair[side === 'caller' ? 'callee' : 'caller'].userId,
      }));
  }

  #all<Result>(act: (crowd: Crowd) => Promise<Result>): Promise<Result[]> {
    return Promise.all(this.#crowds.map(act));
  }
}
