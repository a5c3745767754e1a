import { describe, expect, it } from '@jest/globals';
import { nodeCrypto } from '../node/node-crypto.ts';
import { FlowLab, type FlowLabOptions, RELAY_ID, FLOW_SERVER } from '../testing/flow-lab.ts';
import { encodeRelayData } from './flow-frame.ts';

const newLab = (options: Partial<FlowLabOptions> = {}) => new FlowLab({ crypto: nodeCrypto, ...options });

describe('the relay between two flows', () => {
  it('forwards both ways, and nothing of anybody else', () => {
    const { net, server, alice, bob } = newLab().registerBoth();
    alice.data('too early');
    net.clock.advance(50);
    server.pair('alice', 'bob');
    const mallory = net.addHost({ addresses: ['203.0.113.66'] }).bind();
    alice.data('hello');
    mallory.send(encodeRelayData(RELAY_ID, new Uint8Array(9)), FLOW_SERVER);
    alice.data('wrong id', Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 9]));
    net.clock.advance(50);
    bob.data('hi');
    net.clock.advance(50);

    expect(bob.received).toEqual(['hello']);
    expect(alice.received).toEqual(['hi']);
    expect(server.stats).toMatchObject({
      relayPairs: 1,
      forwarded: { datagrams: 2, bytes: 7 },
      drops: { 'unknown-relay-id': 2, 'not-a-party': 1 },
    });
  });

  it('stops when one side does not want it any more: five seconds of the accepted offer, then 30 s after its last word', () => {
    const { net, server, alice, bob } = newLab().registerBoth();
    server.pair('alice', 'bob');
    net.clock.advance(4900);
    alice.data('a');
    net.clock.advance(200);
    alice.data('b');
    net.clock.advance(50);
    expect(bob.received).toEqual(['a']);

    bob.data('c');
    net.clock.advance(29_000);
    alice.data('d');
    net.clock.advance(2000);
    alice.data('e');
    net.clock.advance(50);
    expect(bob.received).toEqual(['a', 'd']);
    expect(server.stats.drops).toMatchObject({ 'no-consent': 2 });
    // Both want it again.
    bob.data('f');
    alice.data('g');
    net.clock.advance(50);
    expect(bob.received).toEqual(['a', 'd', 'g']);
  });

  it('goes on when a client is elsewhere, without anybody being told', () => {
    const { net, server, alice, bob } = newLab().registerBoth();
    server.pair('alice', 'bob');
    alice.data('before');
    bob.data('before');
    net.clock.advance(50);
    alice.roam(net.addNat({ externalAddresses: ['203.0.113.77'] }).inside, '10.9.9.9');
    alice.input({ kind: 'refresh' });
    net.clock.advance(80);
    alice.data('after');
    bob.data('after');
    net.clock.advance(50);

    expect(bob.received).toEqual(['before', 'after']);
    expect(alice.received).toEqual(['before', 'after']);
  });

  it('goes on when a client gets other keys', () => {
    const lab = newLab().registerBoth();
    const { net, server, alice, bob } = lab;
    server.pair('alice', 'bob');
    server.input({ kind: 'open-flow', owner: 'alice', ...lab.credentialsOf('alice again') });
    alice.data('hello');
    net.clock.advance(50);

    expect(bob.received).toEqual(['hello']);
    expect(server.stats.flows).toBe(2);
  });

  it.each([
    ['it is closed', { kind: 'close-relay-pair', relayId: RELAY_ID }, 'closed'],
    ['a flow is closed', { kind: 'close-flow', owner: 'bob' }, 'flow-ended'],
    ['a flow is limited', { kind: 'limit-flow', owner: 'bob', forMs: 1000 }, 'flow-ended'],
  ] as const)('ends when %s', (_name, control, cause) => {
    const { net, server, alice, bob } = newLab().registerBoth();
    server.pair('alice', 'bob');
    server.input(control);
    net.clock.advance(1001);
    alice.data('late');
    net.clock.advance(50);

    expect(bob.received).toEqual([]);
    expect(server.stats.relayPairs).toBe(0);
    expect(server.events).toContainEqual({ kind: 'relay-pair-ended', relayId: RELAY_ID, cause });
  });

  it('keeps a flow whose limit was taken back', () => {
    const { net, server } = newLab().registerBoth();
    server.input({ kind: 'limit-flow', owner: 'bob', forMs: 1000 });
    server.input({ kind: 'limit-flow', owner: 'bob', forMs: null });
    net.clock.advance(5000);
    expect(server.stats.flows).toBe(2);
  });

  it('ends when nobody uses it for five minutes, not earlier', () => {
    const { net, server, alice } = newLab().registerBoth();
    server.pair('alice', 'bob');
    net.clock.advance(200_000);
    alice.data('still here');
    net.clock.advance(250_000);
    expect(server.stats.relayPairs).toBe(1);
    net.clock.advance(51_000);
    expect(server.stats.relayPairs).toBe(0);
    expect(server.events.at(-1)).toMatchObject({ kind: 'relay-pair-ended', cause: 'idle' });
  });

  it('refuses a pair of which one does not exist, and an id that is taken', () => {
    const { server } = newLab().registerBoth();
    server.pair('alice', 'nobody');
    server.pair('alice', 'bob');
    server.pair('bob', 'alice');
    expect(server.stats).toMatchObject({ relayPairs: 1, drops: { 'relay-pair-refused': 2 } });
  });

  it('lets a flow send so many bytes per second', () => {
    const { net, server, alice, bob } = newLab({
      server: { limits: { bytesPerSecond: 1000 } },
    }).registerBoth();
    server.pair('alice', 'bob');
    bob.data('x');
    for (let count = 0; count < 20; count += 1) alice.data('y'.repeat(91));
    net.clock.advance(50);
    expect(bob.received).toHaveLength(10);
    net.clock.advance(500);
    for (let count = 0; count < 20; count += 1) alice.data('z'.repeat(91));
    net.clock.advance(50);
    expect(bob.received).toHaveLength(15);
    expect(server.stats.drops).toMatchObject({ 'rate-exceeded': 25 });
  });
});
