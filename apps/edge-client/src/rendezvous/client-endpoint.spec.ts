import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { UdpEndpoint } from '@parley/nat/node';
import type { SendRequest } from '../signalling/signalling.ts';
import { ClientEndpoint } from './client-endpoint.ts';

const RELAY = { username: 'u', password: 'p', realm: 'r', ttlSeconds: 600, servers: ['127.0.0.1:9'] };
/** Sockets and promises go on as ever. */
const REAL = [
  'nextTick',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setTimeout',
  'clearTimeout',
] as const;
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  jest.restoreAllMocks();
  jest.useRealTimers();
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

async function online(relay: typeof RELAY & { readonly backups?: readonly string[] } = RELAY) {
  const endpoint = await ClientEndpoint.open({ bind: { ipv4: { address: '127.0.0.1' }, ipv6: false } });
  closing.push(() => endpoint.close());
  const asked: string[] = [];
  const request = ((event: string) => {
    asked.push(event);
    return Promise.resolve(relay);
  }) as unknown as SendRequest;
  await endpoint.useServers({ stunServers: [], relay: null, flow: null }, request);
  return { endpoint, asked };
}

const path = (dataKey: string, policy: 'any' | 'direct-only' = 'any') =>
  ({ role: 'controlling', dataKey, policy, holdDirect: false }) as const;

describe('ClientEndpoint', () => {
  it('asks anew where relays are when a session begins a minute after it was told, and once', async () => {
    const { endpoint, asked } = await online();
    const now = performance.now();
    endpoint.createPath(path('a'));
    expect(asked).toEqual([]);

    jest.spyOn(performance, 'now').mockImplementation(() => now + 61_000);
    endpoint.createPath(path('b', 'direct-only'));
    expect(asked).toEqual([]);
    endpoint.createPath(path('c'));
    endpoint.createPath(path('d'));

    expect(asked).toEqual(['relay.renew']);
  });

  describe('while sessions last', () => {
    const stats = (paths: number, relayedPaths: number) => {
      const none = { packets: 0, bytes: 0 };
      const traffic = { sent: none, received: none };
      jest
        .spyOn(UdpEndpoint.prototype, 'stats')
        .mockReturnValue({ direct: traffic, relay: traffic, drops: {}, paths, relayedPaths } as never);
    };

    it.each([
      { what: 'every 15 s where none but the own supernode relays', backups: [], asked: 8 },
      { what: 'every minute where there are others', backups: ['127.0.0.1:10'], asked: 2 },
    ])('asks where else relays are, $what', async ({ backups, asked: times }) => {
      jest.useFakeTimers({ now: 0, doNotFake: [...REAL] });
      const { endpoint, asked } = await online({ ...RELAY, backups });
      endpoint.createPath(path('a'));
      stats(1, 1);

      await jest.advanceTimersByTimeAsync(120_000);

      expect(asked).toHaveLength(times);
    });

    it('asks nothing while they are direct, or over', async () => {
      jest.useFakeTimers({ now: 0, doNotFake: [...REAL] });
      const { endpoint, asked } = await online();
      endpoint.createPath(path('a'));
      stats(1, 0);
      await jest.advanceTimersByTimeAsync(120_000);
      stats(0, 0);
      await jest.advanceTimersByTimeAsync(15_000);

      expect(asked).toEqual([]);
      expect(jest.getTimerCount()).toBe(0);
    });
  });
});
