import { afterEach, describe, expect, it, jest } from '@jest/globals';
import type { SendRequest } from '../signalling/signalling.ts';
import { ClientEndpoint } from './client-endpoint.ts';

const RELAY = { username: 'u', password: 'p', realm: 'r', ttlSeconds: 600, servers: ['127.0.0.1:9'] };
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  jest.restoreAllMocks();
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

async function online() {
  const endpoint = await ClientEndpoint.open({ bind: { ipv4: { address: '127.0.0.1' }, ipv6: false } });
  closing.push(() => endpoint.close());
  const asked: string[] = [];
  const request = ((event: string) => {
    asked.push(event);
    return Promise.resolve(RELAY);
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
});
