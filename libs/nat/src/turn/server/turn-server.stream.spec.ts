import { describe, expect, it } from '@jest/globals';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { XorPeerAddress, XorRelayedAddress } from '../../stun/attributes/address.ts';
import { RequestedTransport, TransportProtocol } from '../../stun/attributes/turn.ts';
import { Method } from '../../stun/message-type.ts';
import { seededCrypto } from '../../testing/seeded-crypto.ts';
import { outcomeOf, TurnLab, type LabClient } from '../../testing/turn-lab.ts';
import { encodeSendIndication } from '../relayed-data.ts';

const CLIENT = '198.41.0.4';
const newLab = (options: ConstructorParameters<typeof TurnLab>[1] = {}): TurnLab =>
  new TurnLab(seededCrypto(5, nodeCrypto), options);

function clientOver(turn: TurnLab, protocol: 'udp' | 'tcp' | 'tls', port = 40_000): LabClient {
  return turn.client(CLIENT, port, turn.credential(), protocol).challenge();
}

describe('TurnServer › clients on TCP and TLS (RFC 8656 §3.1)', () => {
  it('keeps an allocation for each transport of one client address', () => {
    const turn = newLab();

    const outcomes = (['udp', 'tcp', 'tls'] as const).map((protocol) =>
      outcomeOf(clientOver(turn, protocol).allocate()),
    );

    expect(outcomes).toEqual(['success', 'success', 'success']);
    expect(turn.server.stats().allocations).toBe(3);
  });

  it('counts them against the same quotas', () => {
    const turn = newLab({ quotas: { allocationsPerCredential: 1 } });
    clientOver(turn, 'udp').allocate();

    expect(outcomeOf(clientOver(turn, 'tls').allocate())).toBe(486);
  });

  it('accepts no nonce of another transport', () => {
    const turn = newLab();
    const other = turn.client(CLIENT, 40_000, turn.credential(), 'tls');
    other.session = clientOver(turn, 'tcp').session;

    expect(outcomeOf(other.allocate())).toBe(438);
  });

  it('ends an allocation with its connection, and only that', () => {
    const turn = newLab();
    const [overTcp, overUdp] = [clientOver(turn, 'tcp'), clientOver(turn, 'udp')];
    overTcp.allocate();
    overUdp.allocate();

    turn.input({ kind: 'connection-closed', tuple: overTcp.tuple });

    expect(turn.of('event').at(-1)?.event).toMatchObject({
      kind: 'allocation-ended',
      cause: 'connection-closed',
    });
    expect(turn.of('close-relay')).toHaveLength(1);
    expect(turn.server.holdsAllocation(overTcp.tuple)).toBe(false);
    expect(turn.server.holdsAllocation(overUdp.tuple)).toBe(true);
  });

  it('frees a relay that opens after its connection has ended', () => {
    const turn = newLab();
    const client = clientOver(turn, 'tls');
    turn.relayFates.push('never');
    client.send(
      client.message(Method.ALLOCATE, (builder) => builder.add(RequestedTransport, TransportProtocol.UDP)),
    );
    const { relayId } = turn.of('open-relay').at(-1)!;

    turn.input({ kind: 'connection-closed', tuple: client.tuple });

    expect(turn.of('close-relay')).toEqual([{ kind: 'close-relay', relayId }]);
    expect(turn.input({ kind: 'relay-opened', relayId })).toEqual([
      { kind: 'drop', reason: 'unknown-relay' },
    ]);
    expect(turn.server.stats().allocations).toBe(0);
  });

  it('relays from one TLS client to another over their relays on this server', () => {
    const turn = newLab();
    const sides = [clientOver(turn, 'tls', 40_000), clientOver(turn, 'tls', 40_001)].map((client) => ({
      client,
      relayed: client.allocate().get(XorRelayedAddress)!,
    }));
    const [near, far] = sides as [(typeof sides)[0], (typeof sides)[0]];
    const permit = (side: typeof near, peer: typeof near) =>
      side.client.outcome(Method.CREATE_PERMISSION, (builder) => builder.add(XorPeerAddress, peer.relayed));

    expect([permit(near, far), permit(far, near)]).toEqual(['success', 'success']);
    const outputs = near.client.send(
      encodeSendIndication({ peer: far.relayed, bytes: Uint8Array.of(7) }, turn.crypto.randomBytes(12)),
    );

    expect(outputs).toMatchObject([{ kind: 'send', to: far.client.tuple }]);
  });

  it('serves a stream whose address is, over UDP, that of an own relay', () => {
    const turn = newLab();
    const relayed = clientOver(turn, 'udp').allocate().get(XorRelayedAddress)!;

    const sameNumbers = turn.client(relayed.address, relayed.port, turn.credential(), 'tcp').challenge();

    expect(outcomeOf(sameNumbers.allocate())).toBe('success');
  });
});
