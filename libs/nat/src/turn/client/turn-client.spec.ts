import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '../../net/ip-address.ts';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { XorMappedAddress, XorRelayedAddress } from '../../stun/attributes/address.ts';
import { ErrorCode } from '../../stun/attributes/error.ts';
import { MessageIntegritySha256 } from '../../stun/attributes/opaque.ts';
import { PasswordAlgorithms } from '../../stun/attributes/password-algorithm.ts';
import { Nonce, Realm } from '../../stun/attributes/text.ts';
import { Lifetime } from '../../stun/attributes/turn.ts';
import { StunMessageBuilder } from '../../stun/message-builder.ts';
import { decodeStunMessage, type StunMessage } from '../../stun/message.ts';
import { Method } from '../../stun/message-type.ts';
import { instant } from '../../time/instant.ts';
import { seededCrypto } from '../../testing/seeded-crypto.ts';
import { TurnLab } from '../../testing/turn-lab.ts';
import { decodeChannelData, encodeChannelData, looksLikeChannelData } from '../channel-data.ts';
import type { TurnServerOptions, TurnServerOutput } from '../server/turn-server-types.ts';
import { TurnClient } from './turn-client.ts';
import type { TurnClientInput, TurnClientOptions, TurnClientOutput } from './turn-client-types.ts';

const PEER = transportAddress('198.41.9.9', 5000);
const OTHER = transportAddress('198.41.9.10', 5000);
const bytes = Uint8Array.of(1, 2, 3);

type OutputOf<K extends TurnClientOutput['kind']> = Extract<TurnClientOutput, { kind: K }>;

/** A client core against the server core, datagrams handed over at once unless the line is cut. */
class Pair {
  readonly turn: TurnLab;
  readonly client: TurnClient;
  /** All but what was sent. */
  readonly outputs: TurnClientOutput[] = [];
  readonly sent: Uint8Array[] = [];
  isCut = false;
  /** Changes what the server answers, or swallows it. */
  tamper: (bytes: Uint8Array) => Uint8Array | undefined = (response) => response;
  private readonly tuple;

  constructor(
    clientOptions: Partial<TurnClientOptions> = {},
    serverOptions: Partial<TurnServerOptions> = {},
  ) {
    this.turn = new TurnLab(seededCrypto(6, nodeCrypto), serverOptions);
    const crypto = seededCrypto(7, nodeCrypto);
    const credential = this.turn.credential();
    this.client = new TurnClient({ server: this.turn.listener, credential, crypto, ...clientOptions });
    this.tuple = {
      client: transportAddress('198.41.0.4', 40_000),
      server: this.turn.listener,
      protocol: 'udp',
    } as const;
  }

  do(input: TurnClientInput): this {
    this.perform(this.client.handle(input, this.turn.now));
    return this;
  }

  allocate(): this {
    return this.do({ kind: 'allocate' });
  }

  /** Both clocks, step by step. */
  advance(milliseconds: number): this {
    const end = this.turn.now + milliseconds;
    for (;;) {
      const at = this.client.nextTimeoutAt();
      if (at === undefined || at > end) break;
      this.toClient(this.turn.advance(Math.max(0, at - this.turn.now)));
      this.perform(this.client.handleTimeout(this.turn.now));
    }
    this.toClient(this.turn.advance(end - this.turn.now));
    return this;
  }

  of<K extends TurnClientOutput['kind']>(kind: K): readonly OutputOf<K>[] {
    return this.outputs.filter((output): output is OutputOf<K> => output.kind === kind);
  }

  kinds(): readonly string[] {
    return this.outputs.map(({ kind }) => kind);
  }

  /** The methods of all requests so far. */
  requests(): readonly number[] {
    return this.sent.flatMap((datagram) => {
      const decoded = decodeStunMessage(datagram);
      return decoded.ok && decoded.message.messageClass === 'request' ? [decoded.message.method] : [];
    });
  }

  wrapped(peer = PEER): Uint8Array | undefined {
    return this.client.wrap(peer, bytes);
  }

  /** Whether what the client wraps now reaches the peer. */
  delivers(peer: typeof PEER): boolean {
    const datagram = this.wrapped(peer);
    if (datagram === undefined) return false;
    return this.turn
      .datagram(this.tuple, datagram)
      .some((output) => output.kind === 'relay' && output.peer.address === peer.address);
  }

  /** The server's datagram for something that the peer sent. */
  fromPeer(peer: typeof PEER): Uint8Array {
    const { relayId } = this.turn.of('open-relay')[0]!;
    const [output] = this.turn.input({ kind: 'relay-datagram', relayId, from: peer, bytes });
    if (output?.kind !== 'send') throw new RangeError('not delivered');
    return output.bytes;
  }

  private perform(outputs: readonly TurnClientOutput[]): void {
    for (const output of outputs) {
      if (output.kind !== 'send') {
        this.outputs.push(output);
        continue;
      }
      this.sent.push(output.bytes);
      if (!this.isCut) this.toClient(this.turn.datagram(this.tuple, output.bytes));
    }
  }

  private toClient(outputs: readonly TurnServerOutput[]): void {
    for (const output of outputs) {
      const response = output.kind === 'send' && !this.isCut ? this.tamper(output.bytes) : undefined;
      if (response !== undefined) this.do({ kind: 'datagram', bytes: response });
    }
  }
}

const messageOf = (datagram: Uint8Array): StunMessage => {
  const decoded = decodeStunMessage(datagram);
  if (!decoded.ok) throw new RangeError(decoded.reason);
  return decoded.message;
};

describe('TurnClient › Allocate (RFC 8656 §7)', () => {
  it('answers the challenge and reports both addresses', () => {
    const pair = new Pair().allocate();

    expect(pair.requests()).toEqual([Method.ALLOCATE, Method.ALLOCATE]);
    expect(pair.outputs).toEqual([
      {
        kind: 'allocated',
        relayedAddress: pair.turn.of('open-relay')[0]?.address,
        serverReflexiveAddress: transportAddress('198.41.0.4', 40_000),
        lifetimeSeconds: 600,
      },
    ]);
    expect(pair.client.state).toBe('allocated');
  });

  it('uses SHA-256 with a server that offers it', () => {
    const pair = new Pair().allocate();

    expect(messageOf(pair.sent[1]!).has(MessageIntegritySha256)).toBe(true);
  });

  it('stops where somebody took PASSWORD-ALGORITHMS out of the challenge', () => {
    const pair = new Pair();
    pair.tamper = (response) => {
      const message = messageOf(response);
      return StunMessageBuilder.responseTo(message, 'error')
        .add(ErrorCode, { code: 401, reason: '' })
        .add(Realm, message.get(Realm)!)
        .add(Nonce, message.get(Nonce)!)
        .toBytes();
    };

    pair.allocate();

    expect(pair.outputs).toEqual([{ kind: 'failed', failure: { code: 'NAT_TURN_BID_DOWN' } }]);
    expect(pair.sent).toHaveLength(1);
  });

  it('works with a server of RFC 5389 that offers no algorithms', () => {
    const pair = new Pair();
    pair.tamper = (response) => {
      const message = messageOf(response);
      if (message.messageClass === 'success') return response;
      return StunMessageBuilder.responseTo(message, 'error')
        .add(ErrorCode, { code: 401, reason: 'Unauthorized' })
        .add(Realm, message.get(Realm)!)
        .add(Nonce, 'plain-old-nonce')
        .toBytes();
    };

    pair.allocate();

    expect(messageOf(pair.sent[1]!).has(MessageIntegritySha256)).toBe(false);
    expect(messageOf(pair.sent[1]!).get(PasswordAlgorithms)).toBeUndefined();
  });

  it.each<[string, Partial<TurnServerOptions>, string, number]>([
    ['quota', { quotas: { allocationsPerCredential: 0 } }, 'NAT_TURN_QUOTA', 486],
    ['capacity', { quotas: { allocations: 0 } }, 'NAT_TURN_CAPACITY', 508],
    ['family', { relay: { ipv6: { bind: '2001:470::1' } } }, 'NAT_TURN_UNSUPPORTED', 440],
  ])('reports a refusal for %s', (_name, server, code, stunErrorCode) => {
    const pair = new Pair({}, server).allocate();

    expect(pair.outputs).toEqual([{ kind: 'failed', failure: { code, stunErrorCode } }]);
    expect(pair.client.nextTimeoutAt()).toBeUndefined();
  });

  it('reports a wrong password once', () => {
    const pair = new Pair({ credential: { username: '1900000000:alice', password: 'guess' } }).allocate();

    expect(pair.outputs).toEqual([
      { kind: 'failed', failure: { code: 'NAT_TURN_UNAUTHORIZED', stunErrorCode: 401 } },
    ]);
  });

  it('retransmits and gives up after 39.5 s', () => {
    const pair = new Pair();
    pair.isCut = true;
    pair.allocate().advance(39_499);
    expect(pair.sent).toHaveLength(7);
    expect(pair.outputs).toEqual([]);

    pair.advance(1);

    expect(pair.outputs).toEqual([{ kind: 'failed', failure: { code: 'NAT_TURN_TIMEOUT' } }]);
  });

  it('survives the loss of the first answers', () => {
    const pair = new Pair();
    pair.isCut = true;
    pair.allocate().advance(1_000);
    pair.isCut = false;
    pair.advance(1_000);

    expect(pair.kinds()).toEqual(['allocated']);
  });

  it('clears what an earlier client left on the same five-tuple', () => {
    const pair = new Pair().allocate();
    const second = new TurnClient({
      server: pair.turn.listener,
      credential: pair.turn.credential(),
      crypto: pair.turn.crypto,
    });
    const tuple = {
      client: transportAddress('198.41.0.4', 40_000),
      server: pair.turn.listener,
      protocol: 'udp',
    } as const;
    const kinds: string[] = [];
    const perform = (outputs: readonly TurnClientOutput[]): void => {
      for (const output of outputs) {
        if (output.kind !== 'send') kinds.push(output.kind);
        else
          for (const answer of pair.turn.datagram(tuple, output.bytes))
            if (answer.kind === 'send')
              perform(second.handle({ kind: 'datagram', bytes: answer.bytes }, pair.turn.now));
      }
    };

    perform(second.handle({ kind: 'allocate' }, pair.turn.now));

    expect(kinds).toEqual(['allocated']);
    expect(pair.turn.server.stats().allocations).toBe(1);
  });
});

describe('TurnClient › answers that it does not believe', () => {
  it('drops a success without integrity, and one with a wrong integrity', () => {
    const forged = (withIntegrity: boolean) => {
      const pair = new Pair();
      pair.tamper = (response) => {
        const message = messageOf(response);
        if (message.messageClass !== 'success') return response;
        const builder = StunMessageBuilder.responseTo(message, 'success')
          .add(XorRelayedAddress, PEER)
          .add(XorMappedAddress, PEER)
          .add(Lifetime, 600);
        if (withIntegrity) builder.addMessageIntegritySha256(pair.turn.crypto, new Uint8Array(32));
        return builder.toBytes();
      };
      return pair.allocate().outputs;
    };

    expect(forged(false)).toEqual([{ kind: 'drop', reason: 'unauthenticated-response' }]);
    expect(forged(true)).toEqual([{ kind: 'drop', reason: 'bad-integrity' }]);
  });

  it('drops answers to nothing, other messages and garbage', () => {
    const pair = new Pair().allocate();
    const message = (messageClass: 'success' | 'request') =>
      new StunMessageBuilder(messageClass, Method.BINDING, new Uint8Array(12)).toBytes();

    pair.do({ kind: 'datagram', bytes: message('success') });
    pair.do({ kind: 'datagram', bytes: message('request') });
    pair.do({ kind: 'datagram', bytes: Uint8Array.of(0, 1, 2) });
    pair.do({ kind: 'datagram', bytes: encodeChannelData(0x4000, bytes) });

    expect(pair.of('drop').map(({ reason }) => reason)).toEqual([
      'unknown-transaction',
      'unexpected-message',
      'malformed',
      'unknown-channel',
    ]);
  });
});

describe('TurnClient › refresh and nonce', () => {
  it('refreshes at half the lifetime and stays allocated for hours, over stale nonces', () => {
    const pair = new Pair().allocate().advance(299_999);
    expect(pair.of('refreshed')).toHaveLength(0);
    pair.advance(1);
    expect(pair.of('refreshed')).toEqual([{ kind: 'refreshed', lifetimeSeconds: 600 }]);

    pair.advance(4 * 3_600_000);

    expect(pair.client.state).toBe('allocated');
    expect(pair.turn.server.stats().refusals[438]).toBeGreaterThan(10);
    expect(pair.turn.server.stats().allocations).toBe(1);
  });

  it('fails when no refresh comes through until the lifetime is over', () => {
    const pair = new Pair().allocate();
    pair.isCut = true;

    pair.advance(599_999);
    expect(pair.of('failed')).toEqual([]);
    pair.advance(1);
    expect(pair.of('failed')).toEqual([{ kind: 'failed', failure: { code: 'NAT_TURN_TIMEOUT' } }]);
    expect(pair.wrapped()).toBeUndefined();
  });

  it('fails when the server has lost the allocation', () => {
    const pair = new Pair().allocate();
    pair.turn.input({
      kind: 'relay-failed',
      relayId: pair.turn.of('open-relay')[0]!.relayId,
      reason: 'other',
    });

    pair.advance(300_000);

    expect(pair.of('failed')).toEqual([
      { kind: 'failed', failure: { code: 'NAT_TURN_MISMATCH', stunErrorCode: 437 } },
    ]);
  });

  it('gives up on a server that calls every nonce stale', () => {
    const pair = new Pair({}, { nonceLifetimeSeconds: 0 }).allocate();

    expect(pair.of('failed')).toEqual([
      { kind: 'failed', failure: { code: 'NAT_TURN_UNAUTHORIZED', stunErrorCode: 438 } },
    ]);
    expect(pair.sent.length).toBeLessThan(8);
  });
});

describe('TurnClient › credential', () => {
  it('is asked for at half of its life, once, and swapped without losing the allocation', () => {
    const pair = new Pair({ credentialTtlSeconds: 1000 }).allocate().advance(499_999);
    expect(pair.of('credential-needed')).toHaveLength(0);
    pair.advance(1);
    expect(pair.of('credential-needed')).toHaveLength(1);

    pair.do({
      kind: 'renew-credential',
      credential: pair.turn.credential('alice', 1000),
      credentialTtlSeconds: 1000,
    });

    expect(pair.of('refreshed').length).toBeGreaterThan(0);
    pair.advance(499_000);
    expect(pair.of('credential-needed')).toHaveLength(1);
    expect(pair.client.state).toBe('allocated');
    expect(pair.turn.of('open-relay')).toHaveLength(1);
  });

  it('is asked for when the server grants less because it is about to expire', () => {
    const pair = new Pair();
    const short = new Pair({ credential: pair.turn.credential('alice', 120) }).allocate();

    expect(short.kinds()).toEqual(['allocated', 'credential-needed']);
    short
      .do({ kind: 'renew-credential', credential: short.turn.credential('alice', 86_400) })
      .advance(500_000);
    expect(short.client.state).toBe('allocated');
  });

  it('is asked for when it is refused, and the waiting requests go on with the next one', () => {
    const pair = new Pair().allocate();
    pair.turn.input({ kind: 'set-secrets', tenantRef: '', secrets: ['rotated'] });
    pair.do({ kind: 'permit', peer: PEER });
    expect(pair.kinds()).toEqual(['allocated', 'credential-needed']);

    pair.do({ kind: 'renew-credential', credential: pair.turn.credential('alice', 86_400, 'rotated') });

    expect(pair.kinds()).toEqual(['allocated', 'credential-needed', 'refreshed', 'permitted']);
  });

  it('that nobody renews ends the client with the allocation', () => {
    const pair = new Pair().allocate();
    pair.turn.input({ kind: 'set-secrets', tenantRef: '', secrets: ['rotated'] });

    pair.advance(600_000);

    expect(pair.of('failed')).toEqual([
      { kind: 'failed', failure: { code: 'NAT_TURN_UNAUTHORIZED', stunErrorCode: 401 } },
    ]);
  });
});

describe('TurnClient › permissions and channels (RFC 8656 §9, §12)', () => {
  it('remembers what is asked for before the allocation exists', () => {
    const pair = new Pair();
    pair.do({ kind: 'permit', peer: PEER }).do({ kind: 'bind-channel', peer: OTHER });
    expect(pair.sent).toEqual([]);

    pair.allocate();

    expect(pair.kinds()).toEqual(['allocated', 'permitted', 'channel-bound']);
  });

  it('asks once per address and tells every peer there', () => {
    const pair = new Pair().allocate();
    const sibling = { ...PEER, port: 6000 };
    pair.do({ kind: 'permit', peer: PEER }).do({ kind: 'permit', peer: sibling });

    expect(pair.of('permitted').map(({ peer }) => peer)).toEqual([PEER, sibling]);
    expect(pair.requests().filter((method) => method === Method.CREATE_PERMISSION)).toHaveLength(1);
  });

  it('keeps permission and channel for hours and lets them go when released', () => {
    const pair = new Pair()
      .allocate()
      .do({ kind: 'permit', peer: OTHER })
      .do({ kind: 'bind-channel', peer: PEER });

    pair.advance(2 * 3_600_000);
    expect([pair.delivers(PEER), pair.delivers(OTHER)]).toEqual([true, true]);

    pair.do({ kind: 'release-peer', peer: PEER }).do({ kind: 'release-peer', peer: OTHER }).advance(900_000);
    expect([pair.wrapped(PEER), pair.wrapped(OTHER)]).toEqual([undefined, undefined]);
    expect(pair.of('permitted')).toHaveLength(1);
    expect(pair.of('channel-bound')).toHaveLength(1);
  });

  it('gives a released and wanted-again peer the same channel', () => {
    const pair = new Pair().allocate().do({ kind: 'bind-channel', peer: PEER });
    pair.do({ kind: 'release-peer', peer: PEER }).advance(2_000_000).do({ kind: 'bind-channel', peer: PEER });

    expect(pair.of('channel-bound').map(({ channel }) => channel)).toEqual([0x4000, 0x4000]);
  });

  it('reports a refused peer and nothing else fails', () => {
    const pair = new Pair().allocate();
    const loopback = transportAddress('127.0.0.1', 5000);
    pair
      .do({ kind: 'permit', peer: loopback })
      .do({ kind: 'bind-channel', peer: loopback })
      .do({ kind: 'permit', peer: PEER });

    const failure = { code: 'NAT_TURN_FORBIDDEN', stunErrorCode: 403 };
    expect(pair.outputs.slice(1)).toEqual([
      { kind: 'peer-refused', peer: loopback, failure },
      { kind: 'peer-refused', peer: loopback, failure },
      { kind: 'permitted', peer: PEER },
    ]);
  });
});

describe('TurnClient › data', () => {
  it('wraps in a Send indication, or in ChannelData once there is a channel, or not at all', () => {
    const pair = new Pair().allocate();
    expect(pair.wrapped()).toBeUndefined();
    pair.do({ kind: 'permit', peer: PEER });
    expect(messageOf(pair.wrapped()!).method).toBe(Method.SEND);
    pair.do({ kind: 'bind-channel', peer: PEER });

    expect(decodeChannelData(pair.wrapped()!)).toEqual({ channel: 0x4000, data: bytes });
  });

  it('unwraps both and owns both, and not the Binding response of the same server', () => {
    const pair = new Pair()
      .allocate()
      .do({ kind: 'permit', peer: OTHER })
      .do({ kind: 'bind-channel', peer: PEER });
    const [viaChannel, viaIndication] = [pair.fromPeer(PEER), pair.fromPeer(OTHER)];
    const binding = new StunMessageBuilder('success', Method.BINDING, new Uint8Array(12)).toBytes();

    expect(looksLikeChannelData(viaChannel)).toBe(true);
    expect([pair.client.unwrap(viaChannel), pair.client.unwrap(viaIndication)]).toEqual([
      { peer: PEER, bytes },
      { peer: OTHER, bytes },
    ]);
    expect([viaChannel, viaIndication, binding, bytes].map((datagram) => pair.client.owns(datagram))).toEqual(
      [true, true, false, false],
    );
    expect(pair.client.unwrap(binding)).toBeUndefined();
  });

  it('gives data as an output too', () => {
    const pair = new Pair().allocate().do({ kind: 'permit', peer: PEER });
    pair.do({ kind: 'datagram', bytes: pair.fromPeer(PEER) });

    expect(pair.of('data')).toEqual([{ kind: 'data', peer: PEER, bytes }]);
  });
});

describe('TurnClient › deallocation', () => {
  it('gives the allocation back and ends', () => {
    const pair = new Pair().allocate().do({ kind: 'permit', peer: PEER }).do({ kind: 'deallocate' });

    expect(pair.kinds().at(-1)).toBe('closed');
    expect(pair.turn.server.stats().allocations).toBe(0);
    expect(pair.client.nextTimeoutAt()).toBeUndefined();
  });

  it('closes without an answer when the retransmissions are over', () => {
    const pair = new Pair().allocate();
    pair.isCut = true;

    pair.do({ kind: 'deallocate' }).advance(39_500);

    expect(pair.kinds()).toEqual(['allocated', 'closed']);
  });

  it('gives back what is allocated only after it was asked to close', () => {
    const pair = new Pair();
    pair.isCut = true;
    pair.allocate().do({ kind: 'deallocate' });
    pair.isCut = false;

    pair.advance(2_000);

    expect(pair.kinds()).toEqual(['closed']);
    expect(pair.turn.server.stats().allocations).toBe(0);
    expect(pair.turn.of('open-relay')).toHaveLength(1);
  });

  it('closes at once where nothing was begun', () => {
    expect(new Pair().do({ kind: 'deallocate' }).outputs).toEqual([{ kind: 'closed' }]);
    expect(
      new TurnClient({
        server: PEER,
        credential: { username: '', password: '' },
        crypto: nodeCrypto,
      }).handleTimeout(instant(1e9)),
    ).toEqual([]);
  });
});
