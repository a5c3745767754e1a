import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '@parley/nat';
import type { TurnServerControl } from '@parley/nat/node';
import { ManualTime } from '../clock/testing/manual-time.ts';
import type { RelayCommand, RelayReport } from './relay-messages.ts';
import type { RelaySettings } from './relay-settings.ts';
import { RelaySupervisor } from './relay-supervisor.ts';
import type { RelayThread, RelayThreadObserver } from './relay-thread.port.ts';

const SETTINGS: RelaySettings = {
  listen: [{ address: '127.0.0.1', port: 0, alternatePort: 0 }],
  relay: { ipv4: { bind: '127.0.0.1' }, portRange: { min: 50_000, max: 50_100 } },
  realm: 'r',
  allowPeers: [],
  quotas: {},
};
const SECRET: TurnServerControl = { kind: 'set-secrets', tenantRef: '', secrets: ['s'] };
const READY: RelayReport = {
  kind: 'ready',
  listeners: [{ bound: transportAddress('127.0.0.1', 4000), visible: transportAddress('198.18.0.1', 4000) }],
  alternatePorts: [4001],
};

class FakeThread implements RelayThread {
  readonly commands: RelayCommand[] = [];
  constructor(
    readonly settings: RelaySettings,
    readonly observer: RelayThreadObserver,
  ) {}
  post(command: RelayCommand): void {
    this.commands.push(command);
  }
  stop(): Promise<void> {
    this.observer.onExit('stopped');
    return Promise.resolve();
  }
}

function supervised() {
  const time = new ManualTime();
  const threads: FakeThread[] = [];
  const logged: unknown[] = [];
  const note = (...line: unknown[]): void => void logged.push(line);
  const supervisor = new RelaySupervisor(SETTINGS, {
    start: (settings, observer) => {
      const thread = new FakeThread(settings, observer);
      threads.push(thread);
      return thread;
    },
    clock: time,
    scheduler: time,
    logger: { debug: note, info: note, warn: note, error: note },
    replay: () => [SECRET],
    replayFlows: () => [],
    onFlowEvent: () => undefined,
  });
  return { time, threads, supervisor, logged };
}

async function running() {
  const parts = supervised();
  const started = parts.supervisor.start();
  parts.threads[0]!.observer.onReport(READY);
  await started;
  return parts;
}

describe('RelaySupervisor', () => {
  it('is started when the listeners are bound, and tells the thread what it must know', async () => {
    const { supervisor, threads } = await running();

    expect(supervisor.isRunning).toBe(true);
    expect(supervisor.listening()).toEqual([transportAddress('127.0.0.1', 4000)]);
    expect(supervisor.visible()).toEqual([transportAddress('198.18.0.1', 4000)]);
    expect(threads[0]!.commands).toEqual([{ kind: 'control', input: SECRET }]);
  });

  it.each<[string, (thread: FakeThread) => void]>([
    ['cannot bind', (thread) => thread.observer.onReport({ kind: 'failed', message: 'port 3478 is taken' })],
    ['ends', (thread) => thread.observer.onExit('exit code 1')],
  ])('fails the first start where the thread %s, and tries no more', async (_name, happens) => {
    const { supervisor, threads, time } = supervised();
    const started = supervisor.start();
    happens(threads[0]!);

    await expect(started).rejects.toMatchObject({ code: 'SN_LISTEN_FAILED' });
    await time.advance(600_000);
    expect(threads).toHaveLength(1);
  });

  it('starts a thread that ended again, on the ports that clients know, and tells it everything again', async () => {
    const { supervisor, threads, time, logged } = await running();
    threads[0]!.observer.onExit('exit code 1');
    expect(supervisor.isRunning).toBe(false);
    expect(supervisor.listening()).toEqual([transportAddress('127.0.0.1', 4000)]);

    await time.advance(199);
    expect(threads).toHaveLength(1);
    await time.advance(1);
    threads[1]!.observer.onReport(READY);

    expect(threads[1]!.settings.listen).toEqual([{ address: '127.0.0.1', port: 4000, alternatePort: 4001 }]);
    expect(threads[1]!.commands).toEqual([{ kind: 'control', input: SECRET }]);
    expect([supervisor.isRunning, supervisor.restarts]).toEqual([true, 1]);
    expect(JSON.stringify(logged)).toContain('exit code 1');
  });

  it('waits longer after each crash, 30 s at most, and begins anew after a sound minute', async () => {
    const { threads, time } = await running();
    const delays: number[] = [];
    for (let crash = 0; crash < 10; crash += 1) {
      const before = time.monotonic();
      threads.at(-1)!.observer.onExit('exit code 1');
      const count = threads.length;
      while (threads.length === count) await time.advance(100);
      delays.push(time.monotonic() - before);
      threads.at(-1)!.observer.onReport(READY);
    }
    expect(delays).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);

    await time.advance(60_000);
    threads.at(-1)!.observer.onExit('exit code 1');
    await time.advance(200);
    expect(threads).toHaveLength(12);
  });

  it('tries again where a later start cannot bind', async () => {
    const { threads, time } = await running();
    threads[0]!.observer.onExit('exit code 1');
    await time.advance(200);
    threads[1]!.observer.onReport({ kind: 'failed', message: 'port 4000 is taken' });
    await time.advance(400);

    expect(threads).toHaveLength(3);
  });

  it('answers stats from the thread, and with nothing where it ends, hangs or is away', async () => {
    const { supervisor, threads, time } = await running();
    const answer = { turn: {}, stun: [], sendFailures: 0 } as never;

    const answered = supervisor.stats();
    threads[0]!.observer.onReport({ kind: 'stats', requestId: 1, stats: answer });
    expect(await answered).toBe(answer);

    const unanswered = supervisor.stats();
    await time.advance(2_000);
    expect(await unanswered).toBeUndefined();

    const interrupted = supervisor.stats();
    threads[0]!.observer.onExit('exit code 1');
    expect(await interrupted).toBeUndefined();
    expect(await supervisor.stats()).toBeUndefined();
  });

  it('stops for good, also while it waits to start again', async () => {
    const { supervisor, threads, time } = await running();
    threads[0]!.observer.onExit('exit code 1');

    await supervisor.stop();
    await time.advance(60_000);

    expect(threads).toHaveLength(1);
    expect(time.pendingTimers).toBe(0);
  });
});
