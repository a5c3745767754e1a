import { transportAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { nodeCrypto } from '../node/node-crypto.ts';
import { instant, type Instant } from '../time/instant.ts';
import { AttributeType } from './attribute-type.ts';
import { MappedAddress, OtherAddress, ResponseOrigin, XorMappedAddress } from './attributes/address.ts';
import { ChangeRequest, ResponsePort } from './attributes/behaviour.ts';
import { ErrorCode, UnknownAttributes } from './attributes/error.ts';
import { Priority, UseCandidate } from './attributes/ice.ts';
import { Fingerprint, Padding } from './attributes/opaque.ts';
import { Software, Username } from './attributes/text.ts';
import { verifyFingerprint } from './fingerprint.ts';
import { StunMessageBuilder } from './message-builder.ts';
import { Method, type MessageClass } from './message-type.ts';
import { decodeStunMessage, type StunMessage } from './message.ts';
import type { StunServerAddresses, StunServerSocket } from './server-addresses.ts';
import { StunServer, type StunServerOutput } from './stun-server.ts';

const ID = Uint8Array.from({ length: 12 }, (_, index) => 0xa0 + index);
const CLIENT = transportAddress('192.0.2.7', 54321);
const NOW = instant(0);
const PRIMARY = transportAddress('198.51.100.1', 3478);
const FULL: StunServerAddresses = { primary: PRIMARY, alternateAddress: '198.51.100.2', alternatePort: 3479 };

function request(
  messageClass: MessageClass = 'request',
  method: number = Method.BINDING,
): StunMessageBuilder {
  return new StunMessageBuilder(messageClass, method, ID);
}

function ask(
  server: StunServer,
  builder: StunMessageBuilder,
  {
    from = CLIENT,
    socket = 'primary',
    now = NOW,
  }: { from?: TransportAddress; socket?: StunServerSocket; now?: Instant } = {},
): readonly StunServerOutput[] {
  return server.handle({ kind: 'datagram', bytes: builder.toBytes(), from, socket }, now);
}

/** The one reply among the outputs. */
function replyOf(outputs: readonly StunServerOutput[]): {
  to: TransportAddress;
  socket: StunServerSocket;
  message: StunMessage;
} {
  const [output] = outputs;
  if (outputs.length !== 1 || output?.kind !== 'send')
    throw new TypeError(`no reply: ${JSON.stringify(outputs)}`);
  const decoded = decodeStunMessage(output.bytes);
  if (!decoded.ok) throw new TypeError(decoded.reason);
  return { to: output.to, socket: output.socket, message: decoded.message };
}

describe('StunServer › Binding (RFC 8489 section 6.3)', () => {
  it.each([CLIENT, transportAddress('2001:db8::7', 54321)])(
    'answers $address with its address and nothing else',
    (from) => {
      const server = new StunServer({ crypto: nodeCrypto });

      const { to, socket, message } = replyOf(ask(server, request(), { from }));

      expect([to, socket]).toEqual([from, 'primary']);
      expect([message.messageClass, message.method]).toEqual(['success', Method.BINDING]);
      expect(message.transactionId).toEqual(ID);
      expect(message.attributes.map(({ type }) => type)).toEqual([AttributeType.XOR_MAPPED_ADDRESS]);
      expect(message.get(XorMappedAddress)).toEqual(from);
      expect(server.stats()).toEqual({ responses: 1, errors: {}, drops: {} });
    },
  );

  it('multiplies an IPv4 request of 20 bytes to 32 bytes, no more', () => {
    const [output] = ask(new StunServer({ crypto: nodeCrypto }), request());

    expect(output).toMatchObject({ kind: 'send', bytes: { length: 32 } });
  });

  it('sends FINGERPRINT only if the request had one, SOFTWARE never', () => {
    const server = new StunServer({ crypto: nodeCrypto });

    const plain = replyOf(ask(server, request().add(Software, 'client'))).message;
    const printed = replyOf(ask(server, request().addFingerprint(nodeCrypto))).message;

    expect([plain.has(Fingerprint), plain.has(Software)]).toEqual([false, false]);
    expect(verifyFingerprint(printed, nodeCrypto)).toBe(true);
  });

  it('answers 420 with the types that it does not know, also those of ICE and RFC 5780', () => {
    const server = new StunServer({ crypto: nodeCrypto });
    const builder = request()
      .addRaw(0x7ffe, new Uint8Array(4))
      .add(Priority, 1)
      .add(UseCandidate, true)
      .add(ChangeRequest, { changeAddress: true, changePort: true })
      .addRaw(0xfffe, new Uint8Array(4));

    const { message } = replyOf(ask(server, builder));

    expect(message.messageClass).toBe('error');
    expect(message.get(ErrorCode)).toEqual({ code: 420, reason: 'Unknown Attribute' });
    expect(message.get(UnknownAttributes)).toEqual([0x7ffe, 0x0024, 0x0025, 0x0003]);
    expect(server.stats()).toEqual({ responses: 0, errors: { 420: 1 }, drops: {} });
  });

  it('ignores credentials that it did not ask for', () => {
    const builder = request().add(Username, 'someone').addMessageIntegrity(nodeCrypto, Uint8Array.of(1));

    expect(replyOf(ask(new StunServer({ crypto: nodeCrypto }), builder)).message.messageClass).toBe(
      'success',
    );
  });

  it('counts what it drops by reason and answers none of it', () => {
    const server = new StunServer({ crypto: nodeCrypto });
    const forged = Uint8Array.from(request().addFingerprint(nodeCrypto).toBytes());
    forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;

    const outputs = [
      ...ask(server, request('indication')),
      ...ask(server, request('success')),
      ...ask(server, request('request', Method.ALLOCATE)),
      ...ask(server, request(), { from: { ...CLIENT, port: 0 } }),
      ...server.handle({ kind: 'datagram', bytes: forged, from: CLIENT, socket: 'primary' }, NOW),
      ...server.handle({ kind: 'datagram', bytes: new Uint8Array(3), from: CLIENT, socket: 'primary' }, NOW),
    ];

    expect(outputs).toEqual(
      [
        'not-a-request',
        'not-a-request',
        'unknown-method',
        'invalid-source',
        'bad-fingerprint',
        'too-short',
      ].map((reason) => ({
        kind: 'drop',
        reason,
      })),
    );
    expect(server.stats().drops).toEqual({
      'not-a-request': 2,
      'unknown-method': 1,
      'invalid-source': 1,
      'bad-fingerprint': 1,
      'too-short': 1,
    });
  });

  it('has no timer', () => {
    const server = new StunServer({ crypto: nodeCrypto });

    expect(server.nextTimeoutAt()).toBeUndefined();
    expect(server.handleTimeout(NOW)).toEqual([]);
  });
});

describe('StunServer › reply budget', () => {
  const replies = (server: StunServer, from: TransportAddress, now: number, count: number): number =>
    Array.from({ length: count }, () => ask(server, request(), { from, now: instant(now) })[0]?.kind).filter(
      (kind) => kind === 'send',
    ).length;

  it('stops after the burst, refills with time, and counts what it did not answer', () => {
    const server = new StunServer({ crypto: nodeCrypto, replyBudget: { perSecond: 10, burst: 5 } });

    expect(replies(server, CLIENT, 0, 8)).toBe(5);
    expect(replies(server, CLIENT, 99, 1)).toBe(0);
    expect(replies(server, CLIENT, 200, 3)).toBe(2);
    expect(replies(server, CLIENT, 60_000, 8)).toBe(5);
    expect(server.stats().drops).toEqual({ 'reply-budget-exhausted': 3 + 1 + 1 + 3 });
  });

  it('counts an IPv4 address whatever its port, and an IPv6 /64, as one source', () => {
    const server = new StunServer({ crypto: nodeCrypto, replyBudget: { perSecond: 1, burst: 1 } });
    const sources = [
      ['192.0.2.1', 1],
      ['192.0.2.1', 2],
      ['192.0.2.2', 1],
      ['2001:db8:0:1::1', 1],
      ['2001:db8:0:1:ffff::9', 2],
      ['2001:db8:0:2::1', 1],
    ] as const;

    expect(sources.map(([address, port]) => replies(server, transportAddress(address, port), 0, 1))).toEqual([
      1, 0, 1, 1, 0, 1,
    ]);
  });

  it('errors count too', () => {
    const server = new StunServer({ crypto: nodeCrypto, replyBudget: { perSecond: 1, burst: 1 } });

    expect(ask(server, request().add(Priority, 1))[0]?.kind).toBe('send');
    expect(ask(server, request().add(Priority, 1))).toEqual([
      { kind: 'drop', reason: 'reply-budget-exhausted' },
    ]);
  });
});

describe('StunServer › NAT behaviour discovery (RFC 5780 section 6)', () => {
  const server = new StunServer({ crypto: nodeCrypto, addresses: FULL });
  const addressOf: Readonly<Record<StunServerSocket, TransportAddress>> = {
    primary: PRIMARY,
    'alternate-port': transportAddress('198.51.100.1', 3479),
    'alternate-address': transportAddress('198.51.100.2', 3478),
    'alternate-address-and-port': transportAddress('198.51.100.2', 3479),
  };

  it.each([
    ['primary', false, false, 'primary', 'alternate-address-and-port'],
    ['primary', false, true, 'alternate-port', 'alternate-address-and-port'],
    ['primary', true, false, 'alternate-address', 'alternate-address-and-port'],
    ['primary', true, true, 'alternate-address-and-port', 'alternate-address-and-port'],
    ['alternate-port', true, true, 'alternate-address', 'alternate-address'],
    ['alternate-address', false, true, 'alternate-address-and-port', 'alternate-port'],
    ['alternate-address-and-port', true, true, 'primary', 'primary'],
  ] as const)(
    'asked at %s to change address %p and port %p it answers from %s',
    (socket, changeAddress, changePort, origin, other) => {
      const reply = replyOf(
        ask(server, request().add(ChangeRequest, { changeAddress, changePort }), { socket }),
      );

      expect([reply.socket, reply.to]).toEqual([origin, CLIENT]);
      expect(reply.message.get(ResponseOrigin)).toEqual(addressOf[origin]);
      expect(reply.message.get(OtherAddress)).toEqual(addressOf[other]);
      expect(reply.message.get(MappedAddress)).toEqual(CLIENT);
      expect(reply.message.get(XorMappedAddress)).toEqual(CLIENT);
    },
  );

  it('answers to RESPONSE-PORT', () => {
    const reply = replyOf(ask(server, request().add(ResponsePort, 4000)));

    expect(reply.to).toEqual({ ...CLIENT, port: 4000 });
    expect(reply.message.get(XorMappedAddress)).toEqual(CLIENT);
  });

  it('pads the response as the request was padded', () => {
    const builder = request().add(Padding, new Uint8Array(600));

    expect(replyOf(ask(server, builder)).message.get(Padding)).toHaveLength(600);
    expect(replyOf(ask(server, request())).message.has(Padding)).toBe(false);
  });

  it.each([
    ['PADDING and RESPONSE-PORT together', request().add(ResponsePort, 4000).add(Padding, new Uint8Array(4))],
    ['RESPONSE-PORT 0', request().add(ResponsePort, 0)],
    ['a malformed CHANGE-REQUEST', request().addRaw(AttributeType.CHANGE_REQUEST, new Uint8Array(3))],
    ['a malformed RESPONSE-PORT', request().addRaw(AttributeType.RESPONSE_PORT, new Uint8Array(3))],
  ])('answers 400 to %s', (_, builder) => {
    const reply = replyOf(ask(server, builder));

    expect(reply.message.get(ErrorCode)).toEqual({ code: 400, reason: 'Bad Request' });
    expect([reply.to, reply.socket]).toEqual([CLIENT, 'primary']);
  });

  it('with an alternate port only: changes the port, refuses to change the address', () => {
    const portOnly = new StunServer({
      crypto: nodeCrypto,
      addresses: { primary: PRIMARY, alternatePort: 3479 },
    });

    const changed = replyOf(
      ask(portOnly, request().add(ChangeRequest, { changeAddress: false, changePort: true })),
    );
    const refused = replyOf(
      ask(portOnly, request().add(ChangeRequest, { changeAddress: true, changePort: false })),
    );

    expect(changed.socket).toBe('alternate-port');
    expect(changed.message.get(OtherAddress)).toEqual(addressOf['alternate-port']);
    expect(refused.message.get(UnknownAttributes)).toEqual([AttributeType.CHANGE_REQUEST]);
  });

  it('with addresses but no alternate it is a plain server', () => {
    const plain = new StunServer({ crypto: nodeCrypto, addresses: { primary: PRIMARY } });

    const { message } = replyOf(ask(plain, request()));

    expect(message.attributes).toHaveLength(1);
  });
});
