import { describe, expect, it } from '@jest/globals';
import { nodeCrypto } from '../node/node-crypto.ts';
import { FlowLab, FLOW_SERVER } from '../testing/flow-lab.ts';
import fc from 'fast-check';
import type { FiveTuple } from '../net/five-tuple.ts';
import { transportAddress } from '../net/ip-address.ts';
import type { VirtualNetwork } from '../testing/virtual-network.ts';
import {
  addressBody,
  decodeFlowControl,
  encodeFlowControl,
  FLOW_CONTROL_BYTES,
  FlowFrameType,
  tokenBody,
  type FlowControlFrame,
} from './flow-frame.ts';
import { FlowRegistration } from './flow-registration.ts';

/** The attacker of these tests may know everything but is where it is. */
const newLabWithKeys = () => {
  const lab = new FlowLab({ crypto: nodeCrypto });
  const { net, server, alice, box, crypto } = lab;
  return { net, server, alice, box, crypto, credentialsOf: (name: string) => lab.credentialsOf(name) };
};

describe('a registered flow under attack', () => {
  /** What Alice's NAT sent to the server. */
  const capture = (net: VirtualNetwork) => {
    const seen: Uint8Array[] = [];
    net.observe(({ kind, packet }) => {
      const isToServer =
        packet.destination.port === FLOW_SERVER.port && packet.source.address === '203.0.113.1';
      if (kind === 'delivered' && isToServer) seen.push(packet.bytes);
    });
    return seen;
  };

  it('is not moved by a captured datagram that comes again from elsewhere, however new it is', () => {
    const { net, server, alice, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice');
    const seen = capture(net);
    alice.input({ kind: 'start' });
    net.clock.advance(1000);
    const mallory = net.addHost({ addresses: ['203.0.113.66'] }).bind();
    // One that never reached the server, too.
    const unused = encodeFlowControl(
      { type: FlowFrameType.REGISTER, ...credentialsOf('alice'), sequence: 900, lane: 0, body: tokenBody() },
      credentialsOf('alice').key,
      crypto,
    );
    for (const bytes of [...seen, unused]) mallory.send(bytes, FLOW_SERVER);
    net.clock.advance(1000);

    expect(server.events).toHaveLength(1);
    expect(alice.core.observed?.address).toBe('203.0.113.1');
    const replayed = server.stats.drops.replayed;
    expect(replayed).toBeGreaterThanOrEqual(2);
    // The true client goes on: what was captured moved no sequence.
    net.clock.advance(60_000);
    expect(server.stats).toMatchObject({ registeredFlows: 1, drops: { replayed } });
  });

  it('does not believe the token of another address', () => {
    const { net, server, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice');
    const { flowId, key } = credentialsOf('alice');
    const tokens: Uint8Array[] = [];
    const mallory = net.addHost({ addresses: ['203.0.113.66'] }).bind();
    const other = net.addHost({ addresses: ['203.0.113.67'] }).bind();
    const register = (sequence: number, token?: Uint8Array) =>
      encodeFlowControl(
        { type: FlowFrameType.REGISTER, flowId, sequence, lane: 0, body: tokenBody(token) },
        key,
        crypto,
      );
    mallory.onDatagram((bytes) => tokens.push(decodeFlowControl(bytes)!.body.slice(0, 16)));
    mallory.send(register(1), FLOW_SERVER);
    net.clock.advance(100);
    other.send(register(2, tokens[0]), FLOW_SERVER);
    net.clock.advance(100);
    expect(server.stats).toMatchObject({ registeredFlows: 0, challenges: 2 });

    mallory.send(register(3, tokens[0]), FLOW_SERVER);
    net.clock.advance(30_000);
    expect(server.stats.registeredFlows).toBe(1);
    other.send(register(4, tokens[0]), FLOW_SERVER);
    net.clock.advance(100);
    expect(server.events.at(-1)).toMatchObject({ addresses: ['203.0.113.66'] });
  });

  it('keeps no state for, and does not answer, who has no key', () => {
    const { net, server, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice');
    const mallory = net.addHost({ addresses: ['203.0.113.66'] }).bind();
    let answers = 0;
    mallory.onDatagram(() => (answers += 1));
    const frame: FlowControlFrame = {
      type: FlowFrameType.REGISTER,
      flowId: credentialsOf('alice').flowId,
      sequence: 1,
      lane: 0,
      body: tokenBody(),
    };
    mallory.send(encodeFlowControl(frame, new Uint8Array(32), crypto), FLOW_SERVER);
    mallory.send(
      encodeFlowControl({ ...frame, flowId: new Uint8Array(8) }, new Uint8Array(32), crypto),
      FLOW_SERVER,
    );
    mallory.send(encodeFlowControl({ ...frame, type: 6 }, credentialsOf('alice').key, crypto), FLOW_SERVER);
    mallory.send(new Uint8Array([4, 1, 2]), FLOW_SERVER);
    net.clock.advance(100);

    expect(answers).toBe(0);
    expect(server.stats).toMatchObject({
      flows: 1,
      registeredFlows: 0,
      drops: { 'bad-mac': 1, 'unknown-flow': 1, 'unexpected-type': 1, malformed: 1 },
    });
    expect(server.core.nextTimeoutAt()).toBeUndefined();
  });

  it('sends a forged source no more challenges than its budget, whoever holds the key', () => {
    const { net, server, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice');
    const { flowId, key } = credentialsOf('alice');
    const victim = transportAddress('203.0.113.99', 7);
    for (let sequence = 1; sequence <= 1000; sequence += 1) {
      const bytes = encodeFlowControl(
        { type: FlowFrameType.REGISTER, flowId, sequence, lane: 0, body: tokenBody() },
        key,
        crypto,
      );
      server.input({
        kind: 'datagram',
        tuple: { client: victim, server: FLOW_SERVER, protocol: 'udp' },
        bytes,
      });
    }
    net.clock.advance(100);

    expect(server.stats).toMatchObject({ challenges: 400, drops: { 'challenge-budget-exhausted': 600 } });
    expect(server.control.out).toBe(400 * FLOW_CONTROL_BYTES);
  });

  it('says nothing to port 0, where no datagram can be sent', () => {
    const { server, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice');
    const { flowId, key } = credentialsOf('alice');
    const frame = { type: FlowFrameType.REGISTER, flowId, sequence: 1, lane: 0, body: tokenBody() } as const;
    const client = transportAddress('203.0.113.66', 0);

    server.input({
      kind: 'datagram',
      tuple: { client, server: FLOW_SERVER, protocol: 'udp' },
      bytes: encodeFlowControl(frame, key, crypto),
    });

    expect(server.stats).toMatchObject({ challenges: 0, drops: { 'invalid-source': 1 } });
  });

  it('works for a client of its own no more than 20 times per second', () => {
    const { net, server, alice, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice');
    alice.input({ kind: 'start' });
    net.clock.advance(1000);
    const tuple = { client: alice.core.observed!, server: FLOW_SERVER, protocol: 'udp' } as const;
    const before = server.control.out;
    for (let sequence = 100; sequence < 1100; sequence += 1) {
      const frame = {
        type: FlowFrameType.REGISTER,
        ...credentialsOf('alice'),
        sequence,
        lane: 0,
        body: tokenBody(),
      } as const;
      const bytes = encodeFlowControl(frame, credentialsOf('alice').key, crypto);
      server.input({ kind: 'datagram', tuple, bytes });
      net.clock.advance(1);
    }

    expect(server.control.out - before).toBeLessThanOrEqual(20 * FLOW_CONTROL_BYTES);
    expect(server.stats.drops).toMatchObject({ 'registered-too-often': 980 });
  });

  it('tells the client nothing that it did not ask for, or under another key', () => {
    const { net, server, alice, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice');
    const answers: Uint8Array[] = [];
    net.observe(({ kind, packet }) => {
      if (kind === 'delivered' && packet.source.port === FLOW_SERVER.port) answers.push(packet.bytes);
    });
    alice.input({ kind: 'start' });
    net.clock.advance(1000);
    const before = alice.outputs.length;
    const { flowId } = credentialsOf('alice');
    const body = addressBody(transportAddress('203.0.113.66', 1), flowId);
    const forged = { type: FlowFrameType.REGISTERED, flowId, sequence: 3, lane: 0, body } as const;

    alice.input({ kind: 'refresh' });
    alice.input({ kind: 'datagram', bytes: answers[0]! });
    alice.input({ kind: 'datagram', bytes: encodeFlowControl(forged, new Uint8Array(32), crypto) });
    alice.input({ kind: 'datagram', bytes: new Uint8Array(51) });

    expect(
      alice.outputs.slice(before).map((output) => (output.kind === 'drop' ? output.reason : output.kind)),
    ).toEqual(['send', 'unexpected', 'bad-mac', 'malformed']);
    expect(alice.core.observed?.address).toBe('203.0.113.1');
  });

  it('gives an address to whoever proved last to be there', () => {
    const { net, server, alice, box, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice', 'bob');
    alice.input({ kind: 'start' });
    net.clock.advance(1000);
    const tuple = { client: alice.core.observed!, server: FLOW_SERVER, protocol: 'udp' } as const;
    alice.host.unplug();
    const bob = new FlowRegistration({ crypto, lane: 0, ...credentialsOf('bob') });
    let outputs = bob.handle({ kind: 'start' }, net.clock.now);
    for (let round = 0; round < 2; round += 1) {
      const [sent] = outputs;
      if (sent?.kind !== 'send') break;
      const answer = server.core.handle({ kind: 'datagram', tuple, bytes: sent.bytes }, net.clock.now);
      const reply = answer.find((output) => output.kind === 'send');
      server.events.push(...answer.flatMap((output) => (output.kind === 'event' ? [output.event] : [])));
      outputs = bob.handle({ kind: 'datagram', bytes: reply!.bytes }, net.clock.now);
    }

    expect(box.externalAddresses).toContain(bob.observed?.address);
    expect(server.events.slice(1)).toEqual([
      { kind: 'flow-observed', owner: 'alice', addresses: [] },
      { kind: 'flow-observed', owner: 'bob', addresses: ['203.0.113.1'] },
    ]);
  });

  it('takes frames of any content without harm', () => {
    const { net, server, alice, crypto, credentialsOf } = newLabWithKeys();
    server.admit('alice');
    alice.input({ kind: 'start' });
    net.clock.advance(1000);
    const genuine = encodeFlowControl(
      { type: FlowFrameType.REGISTER, ...credentialsOf('alice'), sequence: 50, lane: 0, body: tokenBody() },
      credentialsOf('alice').key,
      crypto,
    );
    const tuple: FiveTuple = {
      client: transportAddress('203.0.113.66', 1),
      server: FLOW_SERVER,
      protocol: 'udp',
    };
    const events = server.events.length;
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.nat(50),
        fc.integer({ min: 1, max: 255 }),
        (junk, at, flip) => {
          const bent = Uint8Array.from(genuine);
          bent[at] = bent[at]! ^ flip;
          for (const bytes of [junk, bent]) {
            const outputs = server.core.handle({ kind: 'datagram', tuple, bytes }, net.clock.now);
            expect(outputs.every(({ kind }) => kind === 'drop')).toBe(true);
            expect(alice.core.handle({ kind: 'datagram', bytes }, net.clock.now)).toHaveLength(1);
            expect(server.core.forward(bytes, '203.0.113.66', 1, net.clock.now)).toBeUndefined();
          }
        },
      ),
    );
    expect(server.events).toHaveLength(events);
    expect(alice.core.observed?.address).toBe('203.0.113.1');
  });
});
