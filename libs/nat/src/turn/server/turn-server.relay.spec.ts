import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { transportAddress } from '../../net/ip-address.ts';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { AttributeType } from '../../stun/attribute-type.ts';
import { XorPeerAddress, XorRelayedAddress } from '../../stun/attributes/address.ts';
import { ChannelNumber } from '../../stun/attributes/turn.ts';
import { Data } from '../../stun/attributes/opaque.ts';
import { Method } from '../../stun/message-type.ts';
import { onlyResponse, TurnLab, type LabClient } from '../../testing/turn-lab.ts';
import { seededCrypto } from '../../testing/seeded-crypto.ts';
import { encodeChannelData } from '../channel-data.ts';
import { encodeSendIndication, isDataIndication, readRelayedData } from '../relayed-data.ts';
import type { RelayId, TurnServerOptions } from './turn-server-types.ts';

const PEER = transportAddress('198.41.9.9', 5000);
const bytes = Uint8Array.of(1, 2, 3);

interface Side {
  readonly client: LabClient;
  readonly relayId: RelayId;
  readonly relayed: ReturnType<typeof transportAddress>;
}

const newLab = (options: Partial<TurnServerOptions> = {}): TurnLab =>
  new TurnLab(seededCrypto(4, nodeCrypto), options);

function allocate(turn: TurnLab, port = 40_000): Side {
  const client = turn.client('198.41.0.4', port).challenge();
  const relayed = client.allocate().get(XorRelayedAddress)!;
  return { client, relayId: turn.of('open-relay').at(-1)!.relayId, relayed };
}

const permit = ({ client }: Side, peer = PEER) =>
  client.outcome(Method.CREATE_PERMISSION, (builder) => builder.add(XorPeerAddress, peer));
const bind = ({ client }: Side, channel: number, peer = PEER) =>
  client.outcome(Method.CHANNEL_BIND, (builder) =>
    builder.add(ChannelNumber, channel).add(XorPeerAddress, peer),
  );
const indication = (turn: TurnLab, peer = PEER, data = bytes) =>
  encodeSendIndication({ peer, bytes: data }, turn.crypto.randomBytes(12));
const drop = (reason: string) => [{ kind: 'drop', reason }];

describe('TurnServer › client to peer (RFC 8656 §11.2, §12.6)', () => {
  it('relays the data of a Send indication to a permitted peer', () => {
    const turn = newLab();
    const side = allocate(turn);
    permit(side);

    expect(side.client.send(indication(turn))).toEqual([
      { kind: 'relay', relayId: side.relayId, peer: PEER, bytes },
    ]);
  });

  it('relays ChannelData as a view of the datagram, without padding', () => {
    const turn = newLab();
    const side = allocate(turn);
    bind(side, 0x4000);
    const datagram = Uint8Array.of(...encodeChannelData(0x4000, bytes), 0);

    const [output] = side.client.send(datagram);

    expect(output).toEqual({ kind: 'relay', relayId: side.relayId, peer: PEER, bytes });
    expect(output?.kind === 'relay' && output.bytes.buffer === datagram.buffer).toBe(true);
  });

  it('relays empty data', () => {
    const turn = newLab();
    const side = allocate(turn);
    bind(side, 0x4000);

    expect(side.client.send(encodeChannelData(0x4000, new Uint8Array()))).toMatchObject([
      { kind: 'relay', bytes: new Uint8Array() },
    ]);
    expect(side.client.send(indication(turn, PEER, new Uint8Array()))).toMatchObject([{ kind: 'relay' }]);
  });

  it('drops what has no allocation, no channel or no permission', () => {
    const turn = newLab();
    const stranger = turn.client('198.41.0.99');
    const side = allocate(turn);

    expect(stranger.send(encodeChannelData(0x4000, bytes))).toEqual(drop('no-allocation'));
    expect(stranger.send(indication(turn))).toEqual(drop('no-allocation'));
    expect(side.client.send(encodeChannelData(0x4000, bytes))).toEqual(drop('unbound-channel'));
    expect(side.client.send(indication(turn))).toEqual(drop('no-permission'));
    expect(turn.server.stats().drops).toEqual({
      'no-allocation': 2,
      'unbound-channel': 1,
      'no-permission': 1,
    });
  });

  it('judges the port of every Send: a permission for an address opens no forbidden port', () => {
    const turn = newLab();
    const side = allocate(turn);
    permit(side);

    expect(side.client.send(indication(turn, { ...PEER, port: 0 }))).toEqual(drop('peer-port-zero'));
    expect(side.client.send(indication(turn, { ...PEER, port: 53 }))).toEqual(drop('peer-low-port'));
  });

  it('refuses forbidden peers on Send even where somebody got a permission before the policy changed', () => {
    const turn = newLab();
    const side = allocate(turn);
    const rosterRelay = transportAddress('10.9.9.9', 50_100);
    turn.input({ kind: 'set-relay-addresses', addresses: ['10.9.9.9'] });
    permit(side, rosterRelay);
    expect(side.client.send(indication(turn, rosterRelay))).toMatchObject([{ kind: 'relay' }]);

    turn.input({ kind: 'set-relay-addresses', addresses: [] });

    expect(side.client.send(indication(turn, rosterRelay))).toEqual(drop('peer-special-purpose'));
  });

  it('drops indications that are malformed, of the other family, or carry unknown attributes', () => {
    const turn = newLab();
    const side = allocate(turn);
    permit(side);
    const send = (build: Parameters<LabClient['message']>[1]) =>
      side.client.send(side.client.message(Method.SEND, build, 'indication'));

    expect(send((b) => b.add(Data, bytes))).toEqual(drop('malformed-indication'));
    expect(send((b) => b.add(XorPeerAddress, PEER))).toEqual(drop('malformed-indication'));
    expect(
      send((b) => b.add(XorPeerAddress, transportAddress('2001:470::9', 2000)).add(Data, bytes)),
    ).toEqual(drop('peer-family-mismatch'));
    expect(
      send((b) =>
        b.add(XorPeerAddress, PEER).add(Data, bytes).addRaw(AttributeType.DONT_FRAGMENT, new Uint8Array()),
      ),
    ).toEqual(drop('unknown-attribute'));
  });

  it.each([
    ['a length beyond the datagram', [0x40, 0, 0, 9, 1]],
    ['a header cut short', [0x40, 0, 0]],
  ])('drops ChannelData with %s', (_name, datagram) => {
    const turn = newLab();
    const side = allocate(turn);
    bind(side, 0x4000);

    expect(side.client.send(Uint8Array.from(datagram))).toEqual(drop('malformed-channel-data'));
  });

  it('answers no datagram that is neither, whatever the bytes are', () => {
    const turn = newLab({ unauthenticatedReplies: { perSecond: 0, burst: 0 } });
    const side = allocate(newLab());
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        expect(turn.datagram(side.client.tuple, random)).toMatchObject([{ kind: 'drop' }]);
      }),
    );
  });

  it('survives any attributes in an authenticated request, and answers it once', () => {
    const turn = newLab({ unauthenticatedReplies: { perSecond: 1e6, burst: 1e6 } });
    const { client } = allocate(turn);
    const attribute = fc.tuple(
      fc.oneof(fc.constantFrom(...Object.values(AttributeType)), fc.nat(0xffff)),
      fc.uint8Array({ maxLength: 40 }),
    );
    const integrity: readonly number[] = [
      AttributeType.MESSAGE_INTEGRITY,
      AttributeType.MESSAGE_INTEGRITY_SHA256,
      AttributeType.FINGERPRINT,
    ];
    const methods = [Method.ALLOCATE, Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND];
    fc.assert(
      fc.property(
        fc.constantFrom(...methods),
        fc.array(attribute, { maxLength: 8 }),
        (method, attributes) => {
          const chosen = attributes.filter(([type]) => !integrity.includes(type));
          const request = client.message(method, (builder) =>
            chosen.reduce((b, [type, value]) => b.addRaw(type, value), builder),
          );
          const answers = client.send(request).filter(({ kind }) => kind === 'send');
          expect(answers).toHaveLength(1);
          turn.outputs.length = 0;
        },
      ),
      { numRuns: 500 },
    );
  });

  it('drops responses, foreign indications and unknown methods', () => {
    const turn = newLab();
    const { client } = allocate(turn);

    expect(client.send(client.message(Method.ALLOCATE, undefined, 'success'))).toEqual(
      drop('unexpected-class'),
    );
    expect(client.send(client.message(Method.DATA, undefined, 'indication'))).toEqual(
      drop('unexpected-class'),
    );
    expect(client.send(client.message(0x00a))).toEqual(drop('unknown-method'));
    expect(client.send(client.message(Method.SEND))).toEqual(drop('unknown-method'));
  });
});

describe('TurnServer › peer to client (RFC 8656 §11.3, §12.7)', () => {
  it('wraps a datagram of a permitted address, any port, in a Data indication', () => {
    const turn = newLab();
    const side = allocate(turn);
    permit(side);
    const from = { ...PEER, port: 6000 };

    const message = onlyResponse(turn.input({ kind: 'relay-datagram', relayId: side.relayId, from, bytes }));

    expect(isDataIndication(message)).toBe(true);
    expect(readRelayedData(message)).toEqual({ peer: from, bytes });
  });

  it('wraps it in ChannelData where exactly that peer has a channel', () => {
    const turn = newLab();
    const side = allocate(turn);
    bind(side, 0x4001);
    const from = (port: number) =>
      turn.input({ kind: 'relay-datagram', relayId: side.relayId, from: { ...PEER, port }, bytes });

    expect(from(5000)).toEqual([
      { kind: 'send', to: side.client.tuple, bytes: encodeChannelData(0x4001, bytes) },
    ]);
    expect(isDataIndication(onlyResponse(from(5001)))).toBe(true);
  });

  it('drops it without permission, and on a relay that is gone', () => {
    const turn = newLab();
    const { relayId } = allocate(turn);

    expect(turn.input({ kind: 'relay-datagram', relayId, from: PEER, bytes })).toEqual(drop('no-permission'));
    expect(turn.input({ kind: 'relay-datagram', relayId: 99 as RelayId, from: PEER, bytes })).toEqual(
      drop('no-allocation'),
    );
  });

  it('ends the allocation whose socket failed', () => {
    const turn = newLab();
    const { relayId } = allocate(turn);

    turn.input({ kind: 'relay-failed', relayId, reason: 'other' });

    expect(turn.of('event').at(-1)?.event).toMatchObject({ kind: 'allocation-ended', cause: 'relay-failed' });
    expect(turn.server.stats().allocations).toBe(0);
  });
});

describe('TurnServer › relay to relay', () => {
  const pair = () => {
    const turn = newLab();
    const [a, b] = [allocate(turn, 1), allocate(turn, 2)];
    permit(a, b.relayed);
    return { turn, a, b };
  };

  it('hands data to another relay of this server without a socket', () => {
    const { turn, a, b } = pair();
    permit(b, a.relayed);

    const outputs = a.client.send(indication(turn, b.relayed));

    expect(outputs).toMatchObject([{ kind: 'send', to: b.client.tuple }]);
    expect(readRelayedData(onlyResponse(outputs))).toEqual({ peer: a.relayed, bytes });
  });

  it('uses channels on both sides', () => {
    const { a, b } = pair();
    bind(a, 0x4000, b.relayed);
    bind(b, 0x4007, a.relayed);

    expect(a.client.send(encodeChannelData(0x4000, bytes))).toEqual([
      { kind: 'send', to: b.client.tuple, bytes: encodeChannelData(0x4007, bytes) },
    ]);
  });

  it('asks for the permission of the other side all the same', () => {
    const { turn, a, b } = pair();

    expect(a.client.send(indication(turn, b.relayed))).toEqual(drop('no-permission'));
  });

  it('delivers to oneself once and stops there', () => {
    const turn = newLab();
    const side = allocate(turn);
    permit(side, side.relayed);

    expect(side.client.send(indication(turn, side.relayed))).toMatchObject([
      { kind: 'send', to: side.client.tuple },
    ]);
  });

  it('sends to no other port of the own address: not to the listener, not to other services', () => {
    const turn = newLab();
    const side = allocate(turn);
    permit(side, side.relayed);

    expect(side.client.send(indication(turn, turn.listener))).toEqual(drop('peer-own-address'));
    expect(bind(side, 0x4000, turn.listener)).toBe(403);
  });

  it('serves no client that is behind an own relay', () => {
    const turn = newLab();
    const { relayed } = allocate(turn);
    const looping = turn.client(relayed.address, relayed.port);

    expect(looping.send(looping.message(Method.ALLOCATE))).toEqual(drop('from-own-relay'));
  });

  it('says nothing to port 0, where no datagram can be sent', () => {
    const turn = newLab();
    const nowhere = turn.client('198.41.0.4', 0);

    expect(nowhere.send(nowhere.message(Method.ALLOCATE))).toEqual(drop('invalid-source'));
  });
});
