import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '../../net/ip-address.ts';
import { nodeCrypto } from '../../node/node-crypto.ts';
import { AttributeType } from '../../stun/attribute-type.ts';
import { ErrorCode } from '../../stun/attributes/error.ts';
import { Fingerprint, MessageIntegrity, MessageIntegritySha256 } from '../../stun/attributes/opaque.ts';
import {
  PasswordAlgorithm,
  PasswordAlgorithmNumber,
  PasswordAlgorithms,
} from '../../stun/attributes/password-algorithm.ts';
import { Nonce, Realm, Username } from '../../stun/attributes/text.ts';
import { RequestedTransport, TransportProtocol } from '../../stun/attributes/turn.ts';
import { longTermKey } from '../../stun/credentials.ts';
import { StunMessageBuilder } from '../../stun/message-builder.ts';
import type { StunMessage } from '../../stun/message.ts';
import { Method } from '../../stun/message-type.ts';
import { decodeNonceCookie } from '../../stun/nonce-cookie.ts';
import { newTransactionId } from '../../stun/transaction-id.ts';
import { seededCrypto } from '../../testing/seeded-crypto.ts';
import { TurnLab, onlyResponse, outcomeOf, type LabClient } from '../../testing/turn-lab.ts';
import type { TurnCredential } from '../credentials.ts';
import type { TurnServerOptions } from './turn-server-types.ts';

const lab = (options: Partial<TurnServerOptions> = {}): TurnLab =>
  new TurnLab(seededCrypto(2, nodeCrypto), options);

interface Signing {
  readonly credential: TurnCredential;
  readonly nonce: string | undefined;
  readonly realm?: string;
  readonly algorithms?: (builder: StunMessageBuilder) => StunMessageBuilder;
  readonly hash?: 'sha1' | 'sha256';
  readonly key?: 'md5' | 'sha-256';
}

/** An Allocate signed by hand, so that each part can be wrong. */
function signed(
  turn: TurnLab,
  { credential, nonce, realm = 'lab.example', algorithms, hash, key }: Signing,
): Uint8Array {
  const builder = new StunMessageBuilder('request', Method.ALLOCATE, newTransactionId(turn.crypto))
    .add(RequestedTransport, TransportProtocol.UDP)
    .add(Username, credential.username)
    .add(Realm, realm);
  if (nonce !== undefined) builder.add(Nonce, nonce);
  algorithms?.(builder);
  const bytes = longTermKey(turn.crypto, { ...credential, realm }, key ?? 'md5');
  if (hash === 'sha256') builder.addMessageIntegritySha256(turn.crypto, bytes);
  else builder.addMessageIntegrity(turn.crypto, bytes);
  return builder.toBytes();
}

const challengeOf = (client: LabClient): StunMessage => client.exchange(Method.ALLOCATE);
const nonceOf = (client: LabClient): string => challengeOf(client).get(Nonce) ?? '';
const none = new Uint8Array();
const BOTH = [
  { algorithm: PasswordAlgorithmNumber.SHA_256, parameters: none },
  { algorithm: PasswordAlgorithmNumber.MD5, parameters: none },
];

describe('TurnServer › long-term credentials (RFC 8489 §9.2.4)', () => {
  it('challenges a request without integrity with 401, realm, nonce and the algorithms, unsigned', () => {
    const response = challengeOf(lab().client());

    expect(response.get(ErrorCode)).toEqual({ code: 401, reason: '' });
    expect(response.get(Realm)).toBe('lab.example');
    expect(decodeNonceCookie(response.get(Nonce) ?? '')).toEqual({
      passwordAlgorithms: true,
      usernameAnonymity: false,
    });
    expect(response.get(PasswordAlgorithms)).toEqual(BOTH);
    expect(response.has(MessageIntegrity) || response.has(MessageIntegritySha256)).toBe(false);
  });

  it.each([Method.ALLOCATE, Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND])(
    'challenges method %d alike and keeps nothing',
    (method) => {
      const turn = lab();

      expect(turn.client().outcome(method)).toBe(401);
      expect(turn.server.nextTimeoutAt()).toBeUndefined();
      expect(turn.of('open-relay')).toEqual([]);
    },
  );

  it('accepts MESSAGE-INTEGRITY of a client of RFC 5389 and answers in kind', () => {
    const turn = lab();
    const client = turn.client();
    const response = onlyResponse(
      client.send(signed(turn, { credential: turn.credential(), nonce: nonceOf(client) })),
    );

    expect(outcomeOf(response)).toBe('success');
    expect(response.has(MessageIntegrity)).toBe(true);
    expect(response.has(MessageIntegritySha256)).toBe(false);
  });

  it('accepts SHA-256 with the negotiated algorithm and answers in kind', () => {
    const turn = lab();
    const client = turn.client();
    const request = signed(turn, {
      credential: turn.credential(),
      nonce: nonceOf(client),
      algorithms: (b) => b.add(PasswordAlgorithms, BOTH).add(PasswordAlgorithm, BOTH[0]!),
      hash: 'sha256',
      key: 'sha-256',
    });

    const response = onlyResponse(client.send(request));

    expect(outcomeOf(response)).toBe('success');
    expect(response.has(MessageIntegritySha256)).toBe(true);
  });

  it.each<[string, (builder: StunMessageBuilder) => StunMessageBuilder]>([
    ['a list without SHA-256', (b) => b.add(PasswordAlgorithms, [BOTH[1]!]).add(PasswordAlgorithm, BOTH[1]!)],
    [
      'a list in another order',
      (b) => b.add(PasswordAlgorithms, [...BOTH].reverse()).add(PasswordAlgorithm, BOTH[1]!),
    ],
    ['a list without a choice', (b) => b.add(PasswordAlgorithms, BOTH)],
    ['a choice without a list', (b) => b.add(PasswordAlgorithm, BOTH[1]!)],
    [
      'a choice that was not offered',
      (b) => b.add(PasswordAlgorithms, BOTH).add(PasswordAlgorithm, { algorithm: 3, parameters: none }),
    ],
  ])('refuses %s with 400: somebody talked the client down', (_name, algorithms) => {
    const turn = lab();
    const client = turn.client();
    const request = signed(turn, { credential: turn.credential(), nonce: nonceOf(client), algorithms });

    expect(outcomeOf(onlyResponse(client.send(request)))).toBe(400);
  });

  it('answers integrity without USERNAME, REALM or NONCE with 400', () => {
    const turn = lab();
    const client = turn.client();
    const key = new Uint8Array(16);
    const bare = new StunMessageBuilder('request', Method.ALLOCATE, newTransactionId(turn.crypto));

    expect(outcomeOf(onlyResponse(client.send(bare.addMessageIntegrity(turn.crypto, key).toBytes())))).toBe(
      400,
    );
    const withoutNonce = signed(turn, { credential: turn.credential(), nonce: undefined });
    expect(outcomeOf(onlyResponse(client.send(withoutNonce)))).toBe(400);
  });

  it('answers USERHASH, which it does not offer, with 401', () => {
    const turn = lab();
    const client = turn.client();
    const request = new StunMessageBuilder('request', Method.ALLOCATE, newTransactionId(turn.crypto))
      .addRaw(AttributeType.USERHASH, new Uint8Array(32))
      .add(Realm, 'lab.example')
      .add(Nonce, nonceOf(client))
      .addMessageIntegrity(turn.crypto, new Uint8Array(16));

    expect(outcomeOf(onlyResponse(client.send(request.toBytes())))).toBe(401);
  });

  it.each<[string, (turn: TurnLab) => Partial<Signing>]>([
    ['a wrong password', (turn) => ({ credential: { ...turn.credential(), password: 'guess' } })],
    ['a username that is not time-limited', () => ({ credential: { username: 'alice', password: 'x' } })],
    ['an expired username', (turn) => ({ credential: turn.credential('alice', 0) })],
    [
      'another tenant\u2019s secret',
      (turn) => ({ credential: turn.credential('alice', 600, 'some other secret') }),
    ],
    ['another realm', () => ({ realm: 'elsewhere.example' })],
  ])('answers %s with 401', (_name, wrong) => {
    const turn = lab();
    const client = turn.client();
    const request = signed(turn, { credential: turn.credential(), nonce: nonceOf(client), ...wrong(turn) });

    expect(outcomeOf(onlyResponse(client.send(request)))).toBe(401);
    expect(turn.of('open-relay')).toEqual([]);
  });

  it('accepts the newer and the older secret while they are rotated, and none when the tenant is removed', () => {
    const turn = lab();
    turn.input({ kind: 'set-secrets', tenantRef: 'acme', secrets: ['new secret', 'old secret'] });
    const outcome = (port: number, secret: string) =>
      outcomeOf(
        turn
          .client('198.41.0.4', port, turn.credential('acme/bob', 600, secret))
          .challenge()
          .allocate(),
      );

    expect([
      outcome(1, 'new secret'),
      outcome(2, 'old secret'),
      outcome(3, 'a secret of the default tenant'),
    ]).toEqual(['success', 'success', 401]);
    turn.input({ kind: 'set-secrets', tenantRef: 'acme', secrets: [] });
    expect(outcome(4, 'new secret')).toBe(401);
  });

  it('puts FINGERPRINT into a response only where the request had one, and drops a wrong one', () => {
    const turn = lab();
    const client = turn.client();
    const withFingerprint = new StunMessageBuilder('request', Method.ALLOCATE, newTransactionId(turn.crypto));
    const bytes = withFingerprint.addFingerprint(turn.crypto).toBytes();
    const corrupted = Uint8Array.from(bytes);
    corrupted[corrupted.length - 1] = (corrupted.at(-1) ?? 0) ^ 1;

    expect(challengeOf(client).has(Fingerprint)).toBe(false);
    expect(onlyResponse(client.send(bytes)).has(Fingerprint)).toBe(true);
    expect(client.send(corrupted)).toEqual([{ kind: 'drop', reason: 'bad-fingerprint' }]);
  });
});

describe('TurnServer › nonce (RFC 8489 §9.2, RFC 8656 §5)', () => {
  const outcomeWith = (turn: TurnLab, client: LabClient, nonce: string) =>
    outcomeOf(onlyResponse(client.send(signed(turn, { credential: turn.credential(), nonce }))));

  it('is valid before 600 s and stale at 600 s; 438 brings the next one', () => {
    const turn = lab();
    const [early, late] = [turn.client('198.41.0.4', 1), turn.client('198.41.0.4', 2)];
    const nonces = [nonceOf(early), nonceOf(late)] as const;

    turn.advance(599_999);
    expect(outcomeWith(turn, early, nonces[0])).toBe('success');
    turn.advance(1);
    const response = onlyResponse(
      late.send(signed(turn, { credential: turn.credential(), nonce: nonces[1] })),
    );
    expect(outcomeOf(response)).toBe(438);
    expect(outcomeWith(turn, late, response.get(Nonce) ?? '')).toBe('success');
  });

  it('outlives the rotation of its key', () => {
    const turn = lab();
    const client = turn.client();
    nonceOf(client);
    turn.advance(599_000);
    const nonce = nonceOf(client);
    turn.advance(2_000);
    nonceOf(client);

    expect(outcomeWith(turn, client, nonce)).toBe('success');
  });

  it('is stale for every other five-tuple: address, port, listener', () => {
    const turn = lab();
    const nonce = nonceOf(turn.client('198.41.0.4', 1));
    const otherAddress = turn.client('198.41.0.5', 1);
    const otherPort = turn.client('198.41.0.4', 2);
    const otherListener = turn.client('198.41.0.4', 1);
    const tuple = { ...otherListener.tuple, server: transportAddress('192.0.2.2', 3478) };
    const request = signed(turn, { credential: turn.credential(), nonce });

    expect([
      outcomeWith(turn, otherAddress, nonce),
      outcomeWith(turn, otherPort, nonce),
      outcomeOf(onlyResponse(turn.datagram(tuple, request))),
    ]).toEqual([438, 438, 438]);
  });

  it.each(['', 'x', 'obMatJos2gAAA', 'obMatJos2gAAAAAAAAAAAAAAAAAAAAAAAAA', 'obMatJos2AAAA', 'é'.repeat(40)])(
    'takes the foreign nonce %p for stale',
    (nonce) => {
      const turn = lab();

      expect(outcomeWith(turn, turn.client(), nonce)).toBe(438);
    },
  );

  it('is stale with any one character changed', () => {
    const turn = lab();
    const client = turn.client();
    const nonce = nonceOf(client);

    for (let index = 0; index < nonce.length; index += 1) {
      const changed = nonce.slice(0, index) + (nonce[index] === 'A' ? 'B' : 'A') + nonce.slice(index + 1);
      turn.advance(50);
      expect(outcomeWith(turn, client, changed)).toBe(438);
    }
  });
});

describe('TurnServer › replies to who is not proven', () => {
  it('stop when the budget of the source is spent, and come back as it refills', () => {
    const turn = lab({ unauthenticatedReplies: { perSecond: 10, burst: 3 } });
    const client = turn.client();
    const replies = () => client.send(client.message(Method.ALLOCATE)).map(({ kind }) => kind);

    expect([replies(), replies(), replies(), replies()]).toEqual([['send'], ['send'], ['send'], ['drop']]);
    expect(turn.server.stats().drops).toEqual({ 'reply-budget-exhausted': 1 });
    turn.advance(99);
    expect(replies()).toEqual(['drop']);
    turn.advance(1);
    expect(replies()).toEqual(['send']);
  });

  it('share one budget over all ports of an address and over an IPv6 /64', () => {
    const turn = lab({ unauthenticatedReplies: { perSecond: 1, burst: 1 } });
    const kinds = (address: string, port: number) => {
      const client = turn.client(address, port);
      return client.send(client.message(Method.ALLOCATE))[0]?.kind;
    };

    expect([kinds('198.41.0.4', 1), kinds('198.41.0.4', 2), kinds('198.41.0.5', 1)]).toEqual([
      'send',
      'drop',
      'send',
    ]);
    expect([
      kinds('2001:470:1:2::1', 1),
      kinds('2001:470:1:2:ffff::9', 1),
      kinds('2001:470:1:3::1', 1),
    ]).toEqual(['send', 'drop', 'send']);
  });

  it('limit guesses of passwords too', () => {
    const turn = lab({ unauthenticatedReplies: { perSecond: 1, burst: 2 } });
    const client = turn.client('198.41.0.4', 1, { ...turn.credential(), password: 'guess' }).challenge();

    expect(outcomeOf(client.allocate())).toBe(401);
    expect(client.send(client.message(Method.ALLOCATE))).toEqual([
      { kind: 'drop', reason: 'reply-budget-exhausted' },
    ]);
  });

  it('are small: at most 2.5 times the request with its headers', () => {
    const turn = lab({ realm: 'parley' });
    const client = turn.client();
    const request = client.message(Method.ALLOCATE, (b) => b.add(RequestedTransport, TransportProtocol.UDP));
    const IP_AND_UDP_BYTES = 28;

    const response = onlyResponse(client.send(request));

    expect((response.bytes.length + IP_AND_UDP_BYTES) / (request.length + IP_AND_UDP_BYTES)).toBeLessThan(
      2.5,
    );
  });
});
