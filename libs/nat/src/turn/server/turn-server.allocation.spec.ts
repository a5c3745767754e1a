import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '../../net/ip-address.ts';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { XorPeerAddress } from '../../stun/attributes/address.ts';
import { ChannelNumber, Lifetime, RequestedAddressFamily } from '../../stun/attributes/turn.ts';
import { Method } from '../../stun/message-type.ts';
import { seededCrypto } from '../../testing/seeded-crypto.ts';
import { TurnLab, type LabClient } from '../../testing/turn-lab.ts';
import { LongTermSession } from '../client/long-term-session.ts';
import { encodeChannelData } from '../channel-data.ts';
import { encodeSendIndication } from '../relayed-data.ts';
import type { TurnServerOptions } from './turn-server-types.ts';

const PEER = transportAddress('198.41.9.9', 5000);
const OTHER_PEER = transportAddress('198.41.9.10', 5000);
const bytes = Uint8Array.of(1, 2, 3);

function allocated(
  options: Partial<TurnServerOptions> = {},
  credentialTtl = 86_400,
): { turn: TurnLab; client: LabClient } {
  const turn = new TurnLab(seededCrypto(3, nodeCrypto), options);
  const client = turn.client('198.41.0.4', 40_000, turn.credential('alice', credentialTtl)).challenge();
  client.allocate();
  return { turn, client };
}

/** Takes the credential (and a nonce for it) for the following requests. */
function use(turn: TurnLab, client: LabClient, id: string, ttl: number): void {
  client.session = new LongTermSession(turn.crypto, turn.credential(id, ttl));
  client.challenge();
}

const permit = (client: LabClient, ...peers: (typeof PEER)[]) =>
  client.outcome(Method.CREATE_PERMISSION, (builder) =>
    peers.reduce((b, peer) => b.add(XorPeerAddress, peer), builder),
  );
const bind = (client: LabClient, channel: number, peer = PEER) =>
  client.outcome(Method.CHANNEL_BIND, (builder) =>
    builder.add(ChannelNumber, channel).add(XorPeerAddress, peer),
  );
const sendTo = (turn: TurnLab, client: LabClient, peer = PEER) =>
  client
    .send(encodeSendIndication({ peer, bytes }, turn.crypto.randomBytes(12)))
    .map((output) => (output.kind === 'drop' ? output.reason : output.kind));
const endings = (turn: TurnLab) =>
  turn.of('event').flatMap(({ event }) => (event.kind === 'allocation-ended' ? [event.cause] : []));

describe('TurnServer › Refresh (RFC 8656 §8.2)', () => {
  it('extends the allocation from now on', () => {
    const { turn, client } = allocated();
    turn.advance(599_000);
    client.challenge();

    const response = client.exchange(Method.REFRESH, (builder) => builder.add(Lifetime, 900));

    expect(response.get(Lifetime)).toBe(900);
    turn.advance(899_999);
    expect(endings(turn)).toEqual([]);
    turn.advance(1);
    expect(endings(turn)).toEqual(['expired']);
  });

  it('lets it live before its lifetime is over and closes the relay at its end', () => {
    const { turn } = allocated();
    const relayId = turn.of('open-relay')[0]?.relayId;

    expect(turn.advance(599_999)).toEqual([]);
    expect(turn.advance(1)).toMatchObject([{ kind: 'close-relay', relayId }, { kind: 'event' }]);
    expect(turn.server.stats().allocations).toBe(0);
    expect(turn.server.nextTimeoutAt()).toBeUndefined();
  });

  it('with lifetime 0 ends it at once, with all that hangs on it', () => {
    const { turn, client } = allocated();
    permit(client, PEER);
    bind(client, 0x4000, OTHER_PEER);

    const response = client.exchange(Method.REFRESH, (builder) => builder.add(Lifetime, 0));

    expect(response.get(Lifetime)).toBe(0);
    expect(turn.of('close-relay')).toHaveLength(1);
    expect(endings(turn)).toEqual(['released']);
    expect(turn.server.nextTimeoutAt()).toBeUndefined();
  });

  it('answers 437 without an allocation', () => {
    const client = new TurnLab(seededCrypto(3, nodeCrypto)).client().challenge();

    expect(client.outcome(Method.REFRESH)).toBe(437);
  });

  it('answers 441 to another credential id', () => {
    const { turn, client } = allocated();
    use(turn, client, 'mallory', 600);

    expect(client.outcome(Method.REFRESH, (builder) => builder.add(Lifetime, 0))).toBe(441);
    expect(turn.server.stats().allocations).toBe(1);
  });

  it('answers 443 to a family that is not the allocation\u2019s', () => {
    const { client } = allocated();

    expect(client.outcome(Method.REFRESH, (builder) => builder.add(RequestedAddressFamily, 'ipv6'))).toBe(
      443,
    );
    expect(client.outcome(Method.REFRESH, (builder) => builder.add(RequestedAddressFamily, 'ipv4'))).toBe(
      'success',
    );
  });
});

describe('TurnServer › life of the credential', () => {
  it('ends the allocation with it: alive before, gone at its expiry', () => {
    const { turn } = allocated({}, 90);

    turn.advance(89_999);
    expect(endings(turn)).toEqual([]);
    turn.advance(1);
    expect(endings(turn)).toEqual(['credential-expired']);
  });

  it('is extended by a Refresh with a later expiry of the same id', () => {
    const { turn, client } = allocated({}, 90);
    turn.advance(45_000);
    use(turn, client, 'alice', 3600);

    expect(client.exchange(Method.REFRESH).get(Lifetime)).toBe(600);
    turn.advance(599_999);
    expect(endings(turn)).toEqual([]);
  });

  it('is not shortened by an earlier expiry', () => {
    const { turn, client } = allocated({}, 900);
    use(turn, client, 'alice', 30);

    expect(client.exchange(Method.REFRESH).get(Lifetime)).toBe(600);
  });

  it('ends at once where the id is revoked, and the old credential is refused afterwards', () => {
    const { turn, client } = allocated();
    const until = turn.epochSeconds(86_400);

    turn.input({ kind: 'revoke', credentialId: 'alice', untilEpochSeconds: until });

    expect(endings(turn)).toEqual(['credential-revoked']);
    expect(turn.of('close-relay')).toHaveLength(1);
    expect(client.outcome(Method.REFRESH)).toBe(401);
    turn.advance(1000);
    use(turn, client, 'alice', 86_400);
    expect(client.allocate().messageClass).toBe('success');
  });

  it('is revoked by what its name says, though the clocks of wall and core never quite agree', () => {
    let isLate = false;
    const { turn } = allocated({
      epochMillisAt: (now) => {
        isLate = !isLate;
        return 1_800_000_000_000 + now + (isLate ? 0.9 : 0);
      },
    });

    turn.input({ kind: 'revoke', credentialId: 'alice', untilEpochSeconds: turn.epochSeconds(86_400) });

    expect(endings(turn)).toEqual(['credential-revoked']);
  });

  it('is revoked for all ids below: a user means all devices, and nobody else', () => {
    const turn = new TurnLab(seededCrypto(3, nodeCrypto));
    const ids = ['u1/d1', 'u1/d2', 'u10/d1', 'u1'];
    for (const [index, id] of ids.entries()) {
      turn
        .client('198.41.0.4', 41_000 + index, turn.credential(id))
        .challenge()
        .allocate();
    }

    turn.input({ kind: 'revoke', credentialId: 'u1', untilEpochSeconds: turn.epochSeconds(90_000) });

    const ended = turn
      .of('event')
      .flatMap(({ event }) => (event.kind === 'allocation-ended' ? [event.credentialId] : []));
    expect(ended).toEqual(['u1/d1', 'u1/d2', 'u1']);
  });

  it('cancels an allocation that is just being opened', () => {
    const turn = new TurnLab(seededCrypto(3, nodeCrypto));
    turn.relayFates.push('never');
    const client = turn.client().challenge();
    client.send(
      client.message(Method.ALLOCATE, (builder) => builder.addRaw(0x0019, Uint8Array.of(17, 0, 0, 0))),
    );
    const relayId = turn.of('open-relay')[0]!.relayId;

    turn.input({ kind: 'revoke', credentialId: 'alice', untilEpochSeconds: turn.epochSeconds(90_000) });

    expect(turn.of('close-relay')).toEqual([{ kind: 'close-relay', relayId }]);
    expect(turn.input({ kind: 'relay-opened', relayId })).toEqual([
      { kind: 'drop', reason: 'unknown-relay' },
    ]);
  });

  it('forgets a revocation when no username can meet it any more', () => {
    const { turn } = allocated({}, 60);
    turn.input({ kind: 'revoke', credentialId: 'alice', untilEpochSeconds: turn.epochSeconds(60) });

    turn.advance(61_000);

    expect(turn.server.nextTimeoutAt()).toBeUndefined();
  });
});

describe('TurnServer › CreatePermission (RFC 8656 §10.2)', () => {
  it('lets data through before 300 s and stops it at 300 s', () => {
    const { turn, client } = allocated();
    expect(sendTo(turn, client)).toEqual(['no-permission']);
    expect(permit(client, PEER)).toBe('success');

    turn.advance(299_999);
    expect(sendTo(turn, client)).toEqual(['relay']);
    turn.advance(1);
    expect(sendTo(turn, client)).toEqual(['no-permission']);
  });

  it('is refreshed by another CreatePermission', () => {
    const { turn, client } = allocated();
    permit(client, PEER);
    turn.advance(200_000);
    permit(client, PEER);
    turn.advance(299_999);

    expect(sendTo(turn, client)).toEqual(['relay']);
  });

  it('is not refreshed by data', () => {
    const { turn, client } = allocated();
    permit(client, PEER);
    turn.advance(299_000);
    sendTo(turn, client);
    turn.advance(1_000);

    expect(sendTo(turn, client)).toEqual(['no-permission']);
  });

  it('counts the address and not the port, which may be 0', () => {
    const { turn, client } = allocated();

    expect(permit(client, { ...PEER, port: 0 })).toBe('success');
    expect(sendTo(turn, client, { ...PEER, port: 6000 })).toEqual(['relay']);
  });

  it('takes several addresses, all or none', () => {
    const { turn, client } = allocated();

    expect(permit(client, PEER, transportAddress('127.0.0.1', 80))).toBe(403);
    expect(sendTo(turn, client)).toEqual(['no-permission']);
    expect(permit(client, PEER, OTHER_PEER)).toBe('success');
    expect([sendTo(turn, client), sendTo(turn, client, OTHER_PEER)]).toEqual([['relay'], ['relay']]);
  });

  it('rejects none at all with 400, another family with 443, no allocation with 437, another id with 441', () => {
    const { turn, client } = allocated();
    const stranger = turn.client('198.41.0.99', 1).challenge();

    expect(permit(client)).toBe(400);
    expect(permit(client, transportAddress('2001:470::9', 1))).toBe(443);
    expect(permit(stranger, PEER)).toBe(437);
    use(turn, client, 'mallory', 600);
    expect(permit(client, PEER)).toBe(441);
  });

  it('answers 508 beyond the bound of one allocation and keeps those that there are', () => {
    const { turn, client } = allocated({ quotas: { permissionsPerAllocation: 2 } });

    expect([permit(client, PEER), permit(client, OTHER_PEER)]).toEqual(['success', 'success']);
    expect(permit(client, transportAddress('198.41.9.11', 1))).toBe(508);
    expect(permit(client, PEER)).toBe('success');
    expect(bind(client, 0x4000, transportAddress('198.41.9.11', 2000))).toBe(508);
    expect(sendTo(turn, client)).toEqual(['relay']);
  });
});

describe('TurnServer › ChannelBind (RFC 8656 §12.2)', () => {
  const viaChannel = (client: LabClient, channel: number) =>
    client
      .send(encodeChannelData(channel, bytes))
      .map((output) => (output.kind === 'drop' ? output.reason : output.kind));

  it('binds the number to the peer before 600 s and forgets it at 600 s', () => {
    const { turn, client } = allocated({ maxLifetimeSeconds: 3600 });
    client.exchange(Method.REFRESH, (builder) => builder.add(Lifetime, 3600));
    expect(bind(client, 0x4000)).toBe('success');

    turn.advance(599_999);
    client.challenge();
    permit(client, PEER);
    expect(viaChannel(client, 0x4000)).toEqual(['relay']);
    turn.advance(1);
    expect(viaChannel(client, 0x4000)).toEqual(['unbound-channel']);
    expect(sendTo(turn, client)).toEqual(['relay']);
  });

  it('installs the permission for 300 s, without which the channel is silent', () => {
    const { turn, client } = allocated();
    bind(client, 0x4000);

    turn.advance(299_999);
    expect(viaChannel(client, 0x4000)).toEqual(['relay']);
    turn.advance(1);
    expect(viaChannel(client, 0x4000)).toEqual(['no-permission']);
  });

  it('is refreshed by binding the same pair again', () => {
    const { turn, client } = allocated();
    client.exchange(Method.REFRESH, (builder) => builder.add(Lifetime, 3600));
    bind(client, 0x4000);
    turn.advance(500_000);
    expect(bind(client, 0x4000)).toBe('success');
    turn.advance(299_999);

    expect(viaChannel(client, 0x4000)).toEqual(['relay']);
  });

  it.each([0, 0x3fff, 0x5000, 0x7fff, 0xffff])('rejects the number %d with 400', (number) => {
    expect(bind(allocated().client, number)).toBe(400);
  });

  it('accepts the numbers of RFC 5766 where it is told to', () => {
    const { client } = allocated({ acceptLegacyChannels: true });

    expect([bind(client, 0x7fff), bind(client, 0x3fff, OTHER_PEER)]).toEqual(['success', 400]);
    expect(viaChannel(client, 0x7fff)).toEqual(['relay']);
  });

  it('rejects a number of another peer, and another number for a peer, with 400', () => {
    const { client } = allocated();
    bind(client, 0x4000);

    expect([bind(client, 0x4000, OTHER_PEER), bind(client, 0x4001, PEER)]).toEqual([400, 400]);
  });

  it('binds several ports of one address', () => {
    const { client } = allocated();

    expect([bind(client, 0x4000), bind(client, 0x4001, { ...PEER, port: 5001 })]).toEqual([
      'success',
      'success',
    ]);
  });

  it('rejects a missing number or peer with 400, another family with 443', () => {
    const { client } = allocated();

    expect(client.outcome(Method.CHANNEL_BIND, (builder) => builder.add(XorPeerAddress, PEER))).toBe(400);
    expect(client.outcome(Method.CHANNEL_BIND, (builder) => builder.add(ChannelNumber, 0x4000))).toBe(400);
    expect(bind(client, 0x4000, transportAddress('2001:470::9', 2000))).toBe(443);
  });

  it('answers 508 beyond the bound of one allocation', () => {
    const { client } = allocated({ quotas: { channelsPerAllocation: 1 } });

    expect([bind(client, 0x4000), bind(client, 0x4001, OTHER_PEER), bind(client, 0x4000)]).toEqual([
      'success',
      508,
      'success',
    ]);
  });
});
