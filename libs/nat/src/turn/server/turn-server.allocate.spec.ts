import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '../../net/ip-address.ts';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { AttributeType } from '../../stun/attribute-type.ts';
import { XorMappedAddress, XorRelayedAddress } from '../../stun/attributes/address.ts';
import { AddressErrorCode, ErrorCode, UnknownAttributes } from '../../stun/attributes/error.ts';
import { ReservationToken } from '../../stun/attributes/opaque.ts';
import {
  AdditionalAddressFamily,
  EvenPort,
  Lifetime,
  RequestedAddressFamily,
  RequestedTransport,
  TransportProtocol,
} from '../../stun/attributes/turn.ts';
import { Method } from '../../stun/message-type.ts';
import { seededCrypto } from '../../testing/seeded-crypto.ts';
import { TurnLab, onlyResponse, outcomeOf } from '../../testing/turn-lab.ts';
import type { TurnServerOptions } from './turn-server-types.ts';

const lab = (options: Partial<TurnServerOptions> = {}): TurnLab =>
  new TurnLab(seededCrypto(1, nodeCrypto), options);

describe('TurnServer › Allocate (RFC 8656 §7.2)', () => {
  it('opens a relay and answers with both addresses and the default lifetime', () => {
    const turn = lab();
    const client = turn.client('198.41.0.4', 40_000).challenge();

    const response = client.allocate();

    const [opened] = turn.of('open-relay');
    expect(response.messageClass).toBe('success');
    expect(response.get(XorMappedAddress)).toEqual(transportAddress('198.41.0.4', 40_000));
    expect(response.get(XorRelayedAddress)).toEqual(opened?.address);
    expect(response.get(Lifetime)).toBe(600);
    expect(turn.of('event')).toEqual([
      {
        kind: 'event',
        event: {
          kind: 'allocation-created',
          credentialId: 'alice',
          client: transportAddress('198.41.0.4', 40_000),
          relayedAddress: opened?.address,
        },
      },
    ]);
  });

  it('tells the advertised address and binds the other', () => {
    const turn = lab({ relay: { ipv4: { bind: '10.0.0.5', advertised: '192.0.2.77' } } });

    const response = turn.client().challenge().allocate();

    expect(turn.of('open-relay')[0]?.address.address).toBe('10.0.0.5');
    expect(response.get(XorRelayedAddress)?.address).toBe('192.0.2.77');
    expect(response.get(XorRelayedAddress)?.port).toBe(turn.of('open-relay')[0]?.address.port);
  });

  it.each([
    [0, 600],
    [1, 600],
    [599, 600],
    [600, 600],
    [601, 601],
    [3600, 3600],
    [3601, 3600],
    [0xffffffff, 3600],
  ])('grants a requested lifetime of %d s as %d s', (requested, granted) => {
    const response = lab()
      .client()
      .challenge()
      .allocate((builder) => builder.add(Lifetime, requested));

    expect(response.get(Lifetime)).toBe(granted);
  });

  it('grants no more lifetime than the credential has left', () => {
    const turn = lab();

    const response = turn.client('198.41.0.4', 40_000, turn.credential('alice', 90)).challenge().allocate();

    expect(response.get(Lifetime)).toBe(90);
  });

  it('answers a retransmission with the very same response and opens nothing', () => {
    const turn = lab();
    const client = turn.client().challenge();
    const request = client.message(Method.ALLOCATE, (builder) =>
      builder.add(RequestedTransport, TransportProtocol.UDP),
    );

    const first = onlyResponse(client.send(request));
    const second = onlyResponse(client.send(request));

    expect(second.bytes).toEqual(first.bytes);
    expect(turn.of('open-relay')).toHaveLength(1);
  });

  it('drops a retransmission while the relay is being opened', () => {
    const turn = lab();
    turn.relayFates.push('never');
    const client = turn.client().challenge();
    const request = client.message(Method.ALLOCATE, (builder) =>
      builder.add(RequestedTransport, TransportProtocol.UDP),
    );

    client.send(request);

    expect(client.send(request)).toEqual([{ kind: 'drop', reason: 'allocation-opening' }]);
  });

  it('rejects a second Allocate on the same five-tuple with 437', () => {
    const client = lab().client().challenge();
    client.allocate();

    expect(outcomeOf(client.allocate())).toBe(437);
  });

  it('rejects a request without REQUESTED-TRANSPORT with 400', () => {
    expect(lab().client().challenge().outcome(Method.ALLOCATE)).toBe(400);
  });

  it('rejects a malformed REQUESTED-TRANSPORT with 400', () => {
    const client = lab().client().challenge();

    const build = { type: AttributeType.REQUESTED_TRANSPORT, value: Uint8Array.of(17) };
    expect(client.outcome(Method.ALLOCATE, (builder) => builder.addRaw(build.type, build.value))).toBe(400);
  });

  it('rejects TCP relaying with 442', () => {
    const client = lab().client().challenge();

    expect(
      client.outcome(Method.ALLOCATE, (builder) => builder.add(RequestedTransport, TransportProtocol.TCP)),
    ).toBe(442);
  });

  it('rejects DONT-FRAGMENT with 420 and names it', () => {
    const response = lab()
      .client()
      .challenge()
      .allocate((builder) => builder.addRaw(AttributeType.DONT_FRAGMENT, new Uint8Array()));

    expect(response.get(ErrorCode)?.code).toBe(420);
    expect(response.get(UnknownAttributes)).toEqual([AttributeType.DONT_FRAGMENT]);
  });

  it('names every unknown comprehension-required attribute once, and ignores optional ones', () => {
    const response = lab()
      .client()
      .challenge()
      .allocate((builder) =>
        builder
          .addRaw(0x7001, new Uint8Array(4))
          .addRaw(0x7002, new Uint8Array())
          .addRaw(0x7001, new Uint8Array()),
      );

    expect(response.get(UnknownAttributes)).toEqual([0x7001, 0x7002]);
    expect(
      outcomeOf(
        lab()
          .client()
          .challenge()
          .allocate((builder) => builder.addRaw(0xc0de, new Uint8Array(4))),
      ),
    ).toBe('success');
  });

  it('allocates IPv6 where it is asked for and available', () => {
    const response = lab()
      .client()
      .challenge()
      .allocate((builder) => builder.add(RequestedAddressFamily, 'ipv6'));

    expect(response.get(XorRelayedAddress)?.family).toBe('ipv6');
  });

  it('rejects a family that it has no relay address for with 440', () => {
    const client = lab({ relay: { ipv4: { bind: '192.0.2.1' } } })
      .client()
      .challenge();

    expect(outcomeOf(client.allocate((builder) => builder.add(RequestedAddressFamily, 'ipv6')))).toBe(440);
  });

  it('rejects an unknown family with 440', () => {
    const client = lab().client().challenge();

    const response = client.allocate((builder) =>
      builder.addRaw(AttributeType.REQUESTED_ADDRESS_FAMILY, Uint8Array.of(3, 0, 0, 0)),
    );
    expect(outcomeOf(response)).toBe(440);
  });

  it('answers ADDITIONAL-ADDRESS-FAMILY with an IPv4 relay and an ADDRESS-ERROR-CODE for IPv6', () => {
    const response = lab()
      .client()
      .challenge()
      .allocate((builder) => builder.add(AdditionalAddressFamily, 'ipv6'));

    expect(response.get(XorRelayedAddress)?.family).toBe('ipv4');
    expect(response.get(AddressErrorCode)).toMatchObject({ family: 'ipv6', code: 440 });
  });

  it('rejects combinations that the RFC forbids with 400', () => {
    const both = lab().client().challenge();
    const additionalIpv4 = lab().client().challenge();
    const tokenAndEven = lab().client().challenge();

    expect([
      outcomeOf(
        both.allocate((b) => b.add(RequestedAddressFamily, 'ipv4').add(AdditionalAddressFamily, 'ipv6')),
      ),
      outcomeOf(additionalIpv4.allocate((b) => b.add(AdditionalAddressFamily, 'ipv4'))),
      outcomeOf(
        tokenAndEven.allocate((b) =>
          b.add(ReservationToken, new Uint8Array(8)).add(EvenPort, { reserveNext: false }),
        ),
      ),
    ]).toEqual([400, 400, 400]);
  });

  it('tries another random port when one is taken on the host', () => {
    const turn = lab();
    turn.relayFates.push('address-in-use', 'address-in-use');

    const response = turn.client().challenge().allocate();

    const ports = turn.of('open-relay').map(({ address }) => address.port);
    expect(outcomeOf(response)).toBe('success');
    expect(new Set(ports).size).toBe(3);
    expect(response.get(XorRelayedAddress)?.port).toBe(ports[2]);
  });

  it('answers 508 when no socket can be opened, and keeps nothing', () => {
    const turn = lab();
    turn.relayFates.push('other');

    expect(outcomeOf(turn.client().challenge().allocate())).toBe(508);
    expect(turn.server.nextTimeoutAt()).toBeUndefined();
    expect(outcomeOf(turn.client().challenge().allocate())).toBe('success');
  });

  it('answers 508 when every port of the range is in use', () => {
    const turn = lab({ relay: { ipv4: { bind: '192.0.2.1' }, portRange: { min: 50_000, max: 50_001 } } });
    const outcomes = [1, 2, 3].map((port) =>
      outcomeOf(turn.client('198.41.0.4', port).challenge().allocate()),
    );

    expect(outcomes).toEqual(['success', 'success', 508]);
  });
});

describe('TurnServer › EVEN-PORT and RESERVATION-TOKEN (RFC 8656 §7.2)', () => {
  const withReservation = () => {
    const turn = lab();
    const response = turn
      .client('198.41.0.4', 40_000)
      .challenge()
      .allocate((builder) => builder.add(EvenPort, { reserveNext: true }));
    const token = response.get(ReservationToken);
    if (token === undefined) throw new RangeError('no token');
    return { turn, response, token };
  };

  it('gives an even port', () => {
    const response = lab()
      .client()
      .challenge()
      .allocate((builder) => builder.add(EvenPort, { reserveNext: false }));

    expect((response.get(XorRelayedAddress)?.port ?? 1) % 2).toBe(0);
    expect(response.has(ReservationToken)).toBe(false);
  });

  it('gives the next port to who brings the token', () => {
    const { turn, response, token } = withReservation();

    const second = turn
      .client('198.41.0.4', 40_001)
      .challenge()
      .allocate((b) => b.add(ReservationToken, token));

    expect(second.get(XorRelayedAddress)?.port).toBe((response.get(XorRelayedAddress)?.port ?? 0) + 1);
    expect(turn.of('open-relay')).toHaveLength(2);
  });

  it('gives it once, and to the same credential only', () => {
    const { turn, token } = withReservation();
    const use = (port: number, id: string) =>
      outcomeOf(
        turn
          .client('198.41.0.4', port, turn.credential(id))
          .challenge()
          .allocate((b) => b.add(ReservationToken, token)),
      );

    expect([use(40_001, 'mallory'), use(40_002, 'alice'), use(40_003, 'alice')]).toEqual([
      508,
      'success',
      508,
    ]);
  });

  it('keeps it before 30 s have passed and closes it at 30 s', () => {
    const { turn, token } = withReservation();

    expect(turn.advance(29_999)).toEqual([]);
    expect(turn.advance(1)).toEqual([{ kind: 'close-relay', relayId: turn.of('open-relay')[1]?.relayId }]);
    const late = turn
      .client('198.41.0.4', 40_001)
      .challenge()
      .allocate((b) => b.add(ReservationToken, token));
    expect(outcomeOf(late)).toBe(508);
  });

  it('closes both relays of a pair when one fails, and tries another pair', () => {
    const turn = lab();
    turn.relayFates.push('opened', 'address-in-use');

    const response = turn
      .client()
      .challenge()
      .allocate((builder) => builder.add(EvenPort, { reserveNext: true }));

    expect(outcomeOf(response)).toBe('success');
    expect(turn.of('open-relay')).toHaveLength(4);
    expect(turn.of('close-relay')).toHaveLength(2);
  });
});
