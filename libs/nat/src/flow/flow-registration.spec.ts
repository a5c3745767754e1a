import { describe, expect, it } from '@jest/globals';
import { nodeCrypto } from '../node/node-crypto.ts';
import { FlowLab, type FlowLabOptions } from '../testing/flow-lab.ts';

const newLab = (options: Partial<FlowLabOptions> = {}) => new FlowLab({ crypto: nodeCrypto, ...options });

describe('a registered flow', () => {
  it('is at the address that the server sees, after a challenge: two round trips', () => {
    const { net, server, alice } = newLab();
    server.admit('alice');
    alice.input({ kind: 'start' });
    net.clock.advance(79);
    expect(server.events).toEqual([{ kind: 'flow-observed', owner: 'alice', addresses: ['203.0.113.1'] }]);
    net.clock.advance(1);

    expect(alice.outputs.filter(({ kind }) => kind === 'registered')).toMatchObject([
      { observed: { address: '203.0.113.1' }, rttMs: 40 },
    ]);
    expect(server.stats).toMatchObject({ flows: 1, registeredFlows: 1, challenges: 1, drops: {} });
    expect(server.control.out).toBeLessThanOrEqual(server.control.in);
  });

  it('is registered through loss of a third of all datagrams, and stays so', () => {
    const { net, server, alice } = newLab({ link: { latencyMs: 10, lossRate: 0.33 } });
    server.admit('alice');
    alice.input({ kind: 'start' });

    expect(net.clock.advanceUntil(() => alice.core.observed !== undefined, 20_000)).toBe(true);
    net.clock.advance(600_000);
    expect(server.stats.registeredFlows).toBe(1);
    expect(server.events).toHaveLength(1);
  });

  it('keeps its mapping alive every 15 to 20 seconds', () => {
    const { net, server, alice } = newLab();
    server.admit('alice');
    alice.input({ kind: 'start' });
    net.clock.advance(600_000);

    const sent = alice.outputs.filter(({ kind }) => kind === 'send').length;
    expect(sent).toBeGreaterThanOrEqual(600 / 20);
    expect(sent).toBeLessThanOrEqual(600 / 15 + 3);
  });

  it('ends for the server when nothing more comes', () => {
    const { net, server, alice } = newLab();
    server.admit('alice');
    alice.input({ kind: 'start' });
    net.clock.advance(1000);
    alice.host.unplug();
    net.clock.advance(80_000);

    expect(server.stats).toMatchObject({ flows: 1, registeredFlows: 0 });
    expect(server.events.at(-1)).toEqual({ kind: 'flow-observed', owner: 'alice', addresses: [] });
    expect(alice.outputs.filter(({ kind }) => kind === 'silent')).toHaveLength(1);
  });

  it('tells within 700 ms that UDP is blocked, and goes on trying', () => {
    const { net, alice } = newLab();
    alice.host.unplug();
    alice.input({ kind: 'start' });
    net.clock.advance(700);
    expect(alice.core.isSilent).toBe(true);

    net.clock.advance(60_000);
    expect(alice.core.nextTimeoutAt()).toBeLessThanOrEqual(net.clock.now + 15_000);
  });

  it('moves with the client when it is asked to look again', () => {
    const { net, server, alice } = newLab();
    server.admit('alice');
    alice.input({ kind: 'start' });
    net.clock.advance(1000);
    alice.roam(net.addNat({ externalAddresses: ['203.0.113.77'] }).inside, '10.9.9.9');

    alice.input({ kind: 'refresh' });
    alice.input({ kind: 'refresh' });
    net.clock.advance(80);

    expect(alice.core.observed?.address).toBe('203.0.113.77');
    expect(server.events.at(-1)).toMatchObject({ addresses: ['203.0.113.77'] });
    expect(server.stats.challenges).toBe(2);
  });

  it('notices a new mapping at the next keepalive', () => {
    const { net, server, box, alice } = newLab({ nat: { allocation: 'random' } });
    server.admit('alice');
    alice.input({ kind: 'start' });
    net.clock.advance(1000);
    const before = alice.core.observed;
    box.reboot();
    net.clock.advance(20_500);

    expect(alice.core.observed).toBeDefined();
    expect(alice.core.observed).not.toEqual(before);
    expect(server.stats).toMatchObject({ registeredFlows: 1, challenges: 2 });
  });
});
