import { BackgroundTasks } from '../background-tasks.ts';
import { ManualTime, settled } from '../clock/testing/manual-time.ts';
import { callerNamed } from '../identity/testing/callers.ts';
import { Metrics } from '../observability/metrics.ts';
import { Refusal } from '../refusal.ts';
import { LinkMetrics } from './link-metrics.ts';
import { MemoryLinkNetwork } from './link-transport.memory.ts';
import { ClusterLinks } from './links.service.ts';
import { SoleLinks } from './sole-links.ts';

const [alice, bob] = [callerNamed('alice'), callerNamed('bob')];
const block = { tenant: alice.tenant, users: [alice.userId, bob.userId] } as const;

async function twoSupernodes() {
  const time = new ManualTime();
  const network = new MemoryLinkNetwork();
  const open = async (nodeId: string, incarnation = 1) => {
    const metrics = new Metrics({ withProcess: false });
    const links = new ClusterLinks(
      { nodeId, incarnation },
      {
        transport: network.transport(),
        clock: time,
        scheduler: time,
        background: new BackgroundTasks(),
        metrics: new LinkMetrics(metrics),
      },
    );
    await links.open();
    const metric = async (name: string) =>
      Number(new RegExp(`^parley_${name} (\\d+)$`, 'm').exec((await metrics.exposition()).body)?.[1] ?? 0);
    return { links, metric };
  };
  const [a, b] = [await open('a'), await open('b')];
  /** Until nothing is under way that needs no time. */
  const quiet = async () => {
    for (let turn = 0; turn < 12; turn += 1) await settled();
  };
  const elapse = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 50) {
      await time.advance(50);
      await quiet();
    }
  };
  return { time, network, open, a, b, quiet, elapse };
}

describe('ClusterLinks', () => {
  it('brings what is told in order, and in one frame what is told in one turn', async () => {
    const { a, b, quiet, elapse } = await twoSupernodes();
    const seen: string[] = [];
    b.links.onTell('relays.close-between', ({ users }, from) => void seen.push(`${users[1]} ${from}`));
    a.links.tell('b', 'relays.close-between', block);
    await quiet();
    await elapse(100);
    const before = await a.metric('link_frames_sent_total');
    for (let n = 0; n < 20; n += 1) a.links.tell('b', 'relays.close-between', block);
    await quiet();
    expect(seen).toEqual(Array.from({ length: 21 }, () => `${bob.userId} a`));
    expect((await a.metric('link_frames_sent_total')) - before).toBe(1);
    await elapse(100);
    expect(await a.metric('link_queue_messages')).toBe(0);
  });

  it('answers requests, also with the refusals of the handler', async () => {
    const { a, b, quiet } = await twoSupernodes();
    b.links.onRequest('ping', () => ({ at: 7 }));
    a.links.onRequest('ping', () => {
      throw new Refusal('BUSY');
    });
    const [pinged, refused] = [a.links.request('b', 'ping', {}), b.links.request('a', 'ping', {})];
    refused.catch(() => undefined);
    await quiet();
    await expect(pinged).resolves.toEqual({ at: 7 });
    await expect(refused).rejects.toMatchObject({ code: 'BUSY' });
  });

  it('refuses what nobody there knows', async () => {
    const { a, quiet } = await twoSupernodes();
    const asked = a.links.request('b', 'ping', {});
    asked.catch(() => undefined);
    await quiet();
    await expect(asked).rejects.toMatchObject({ code: 'SN_LINK_REFUSED' });
  });

  it('sends again what did not arrive', async () => {
    const { a, b, network, quiet, elapse } = await twoSupernodes();
    const seen: unknown[] = [];
    b.links.onTell('relays.close-between', (told) => void seen.push(told));
    network.passes = () => false;
    a.links.tell('b', 'relays.close-between', block);
    await elapse(1000);
    expect(seen).toEqual([]);
    network.passes = () => true;
    await elapse(2000);
    await quiet();
    expect(seen).toEqual([block]);
  });

  it('gives up at the deadline and says so', async () => {
    const { a, network, elapse } = await twoSupernodes();
    network.passes = () => false;
    const losses: string[] = [];
    a.links.tell('b', 'relays.close-between', block, {
      deadlineMs: 500,
      onLost: (loss) => losses.push(loss),
    });
    const asked = a.links.request('b', 'ping', {}, { deadlineMs: 500 });
    asked.catch(() => undefined);
    await elapse(450);
    expect(losses).toEqual([]);
    await elapse(150);
    expect(losses).toEqual(['expired']);
    await expect(asked).rejects.toMatchObject({ code: 'SN_LINK_TIMEOUT' });
  });

  it('says at once that a supernode which has left, or started anew, will not answer', async () => {
    const { a, b, network, open, quiet, elapse } = await twoSupernodes();
    b.links.onRequest('ping', () => new Promise(() => undefined));
    const asked = [a.links.request('b', 'ping', {})];
    asked[0]?.catch(() => undefined);
    await quiet();
    await b.links.shutDown();
    const again = await open('b', 2);
    again.links.tell('a', 'relays.close-between', block);
    await quiet();
    await expect(asked[0]).rejects.toMatchObject({ code: 'SN_LINK_CLOSED' });

    network.passes = () => false;
    const losses: string[] = [];
    a.links.tell('b', 'relays.close-between', block, { onLost: (loss) => losses.push(loss) });
    a.links.close('b');
    expect(losses).toEqual(['closed']);
    await elapse(100);
  });

  it('refuses more than it keeps', async () => {
    const { a, network } = await twoSupernodes();
    network.passes = () => false;
    const losses: string[] = [];
    const long = { ...block, tenant: 'x'.repeat(8 * 1024 * 1024) as typeof block.tenant };
    for (let n = 0; n < 5; n += 1)
      a.links.tell('b', 'relays.close-between', long, { onLost: (loss) => losses.push(loss) });
    expect(losses).toEqual(['overloaded', 'overloaded']);
  });
});

describe('SoleLinks', () => {
  it('reaches itself only', async () => {
    const links = new SoleLinks('self', new BackgroundTasks());
    links.onRequest('ping', () => ({ at: 1 }));
    await expect(links.request('self', 'ping', {})).resolves.toEqual({ at: 1 });
    await expect(links.request('other', 'ping', {})).rejects.toMatchObject({ code: 'SN_LINK_CLOSED' });
    const losses: string[] = [];
    links.tell('other', 'relays.close-between', block, { onLost: (loss) => losses.push(loss) });
    expect(losses).toEqual(['closed']);
  });
});
