import { describe, expect, it } from '@jest/globals';
import { sessionIdSchema } from '@parley/protocol';
import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime } from '../clock/testing/manual-time.ts';
import { RecordingNotifier } from '../gateway/testing/recording-notifier.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { Metrics } from '../observability/metrics.ts';
import { CallHistory } from './call-history.service.ts';
import { CallRecorder } from './call-recorder.ts';
import { CallRetention } from './call-retention.service.ts';
import { MemoryCallLog } from './testing/memory-call-log.ts';

const DAY_MS = 24 * 3600_000;
const [alice, bob] = [callerNamed('alice'), callerNamed('bob')];

function historyOf(historyDays: number) {
  const time = new ManualTime();
  const log = new MemoryCallLog();
  const background = new BackgroundTasks();
  const metrics = new Metrics({ withProcess: false });
  const recorder = new CallRecorder(log, new RecordingNotifier(), time, background, metrics);
  const retention = new CallRetention(log, { historyDays }, time, time, background, metrics);
  retention.onModuleInit();
  const history = new CallHistory(log, time, recorder, retention, metrics);
  const missed = async (n: number) => {
    const sessionId = sessionIdSchema.parse(Buffer.alloc(16, n).toString('base64url'));
    const call = {
      tenant: alice.tenant,
      sessionId,
      caller: alice,
      callee: bob.userId,
      startedAt: time.now(),
    };
    history.ended({ ...call, media: ['audio'], isForCallee: true, answer: null }, 'expire');
    await time.advance(0);
  };
  const cursors = async (after = 0) =>
    (await history.history(bob, { after })).calls.map(({ cursor }) => cursor);
  return { time, log, metrics, retention, missed, cursors };
}

describe('CallRetention', () => {
  it('shows no call that is too old, and deletes all but the newest, from which the cursors go on', async () => {
    const { time, log, metrics, missed, cursors } = historyOf(30);
    await missed(1);
    await missed(2);
    await time.advance(30 * DAY_MS - 1);
    expect(await cursors()).toEqual([1, 2]);
    await time.advance(2);
    expect(await cursors()).toEqual([]);
    await time.advance(3600_000);
    expect((await log.page(bob.tenant, bob.userId, 0, 10)).calls.map(({ cursor }) => cursor)).toEqual([2]);
    expect((await metrics.exposition()).body).toMatch(/component="calls".*reason="expired".* 2/);
    // A device that has read up to the deleted ones reads on.
    await missed(3);
    expect(await cursors(2)).toEqual([3]);
  });

  it('stops when the supernode does', async () => {
    const { time, log, retention, missed } = historyOf(1);
    await missed(1);
    await missed(2);
    retention.onModuleDestroy();
    await time.advance(2 * DAY_MS);
    expect((await log.page(bob.tenant, bob.userId, 0, 10)).calls).toHaveLength(2);
  });
});
