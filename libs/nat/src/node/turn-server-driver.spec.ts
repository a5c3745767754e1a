import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { transportAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { OtherAddress, XorMappedAddress } from '../stun/attributes/address.ts';
import { ChangeRequest } from '../stun/attributes/behaviour.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { decodeStunMessage } from '../stun/message.ts';
import { Method } from '../stun/message-type.ts';
import { instant } from '../time/instant.ts';
import { TurnClient } from '../turn/client/turn-client.ts';
import type { TurnClientInput, TurnClientOutput } from '../turn/client/turn-client-types.ts';
import { formatTimeLimitedUsername, timeLimitedPassword, type TurnCredential } from '../turn/credentials.ts';
import type { TurnServerEvent } from '../turn/server/turn-server-types.ts';
import { nodeCrypto } from './node-crypto.ts';
import { TurnServerDriver, type TurnServerDriverOptions } from './turn-server-driver.ts';

const SECRET = 'loopback secret';
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

async function openServer(
  options: Partial<TurnServerDriverOptions> = {},
  address = '127.0.0.1',
): Promise<TurnServerDriver> {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const driver = await TurnServerDriver.open({
    listen: [{ address, port: 0 }],
    turn: {
      realm: 'loopback',
      relay: { [family]: { bind: address } },
      allowPeers: ['127.0.0.0/8', '::1/128'],
    },
    ...options,
  });
  closing.push(() => driver.close());
  driver.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
  return driver;
}

function credential(id = 'alice', ttlSeconds = 600): TurnCredential {
  const username = formatTimeLimitedUsername({
    expiresAtEpochSeconds: Math.floor(Date.now() / 1000) + ttlSeconds,
    credentialId: id,
  });
  return { username, password: timeLimitedPassword(nodeCrypto, SECRET, username) };
}

async function boundSocket(address: string): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  closing.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return socket;
}

/** The client core on a real socket; what it gives is awaited by kind. */
class LoopbackClient {
  readonly seen: TurnClientOutput[] = [];
  private readonly waiting: (() => void)[] = [];

  private constructor(
    readonly socket: Socket,
    readonly core: TurnClient,
    private readonly server: TransportAddress,
  ) {
    socket.on('message', (bytes) => this.do({ kind: 'datagram', bytes }));
  }

  static async open(server: TransportAddress, login = credential()): Promise<LoopbackClient> {
    const socket = await boundSocket(server.address);
    const relayFamily = server.family;
    const core = new TurnClient({ server, credential: login, crypto: nodeCrypto, relayFamily });
    return new LoopbackClient(socket, core, server);
  }

  do(input: TurnClientInput): void {
    for (const output of this.core.handle(input, instant(performance.now()))) {
      if (output.kind === 'send') this.transmit(output.bytes);
      else this.seen.push(output);
    }
    for (const wake of this.waiting.splice(0)) wake();
  }

  transmit(bytes: Uint8Array): void {
    this.socket.send(bytes, this.server.port, this.server.address);
  }

  /** The next unseen output of the kind; what else came is in the message of a failure. */
  async next<K extends TurnClientOutput['kind']>(kind: K): Promise<Extract<TurnClientOutput, { kind: K }>> {
    for (;;) {
      const index = this.seen.findIndex((output) => output.kind === kind);
      const [found] = index < 0 ? [] : this.seen.splice(index, 1);
      if (found !== undefined) return found as Extract<TurnClientOutput, { kind: K }>;
      await new Promise<void>((resolve, reject) => {
        const limit = setTimeout(
          () => reject(new RangeError(`no ${kind}; saw ${JSON.stringify(this.seen)}`)),
          20_000,
        );
        this.waiting.push(() => {
          clearTimeout(limit);
          resolve();
        });
      });
    }
  }

  async allocate(): Promise<TransportAddress> {
    this.do({ kind: 'allocate' });
    return (await this.next('allocated')).relayedAddress;
  }
}

const hasIpv6Loopback = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);
const families = hasIpv6Loopback ? ['127.0.0.1', '::1'] : ['127.0.0.1'];

describe('TurnServerDriver on loopback sockets', () => {
  it.each(families)('relays both ways at %s, by indications and by channel', async (address) => {
    const server = await openServer({}, address);
    const client = await LoopbackClient.open(server.listeners[0]!.primary);
    const relayed = await client.allocate();
    const peerSocket = await boundSocket(address);
    const peer = transportAddress(address, peerSocket.address().port);
    const exchange = async (text: string) => {
      const arrival = once(peerSocket, 'message') as Promise<[Buffer, { port: number }]>;
      client.transmit(client.core.wrap(peer, Buffer.from(text))!);
      const [received, from] = await arrival;
      expect([received.toString(), from.port]).toEqual([text, relayed.port]);
      peerSocket.send(`answer to ${text}`, relayed.port, relayed.address);
      return Buffer.from((await client.next('data')).bytes).toString();
    };

    client.do({ kind: 'permit', peer });
    await client.next('permitted');
    expect(await exchange('by indication')).toBe('answer to by indication');
    client.do({ kind: 'bind-channel', peer });
    await client.next('channel-bound');
    expect(await exchange('by channel')).toBe('answer to by channel');

    client.do({ kind: 'deallocate' });
    await client.next('closed');
    expect(server.stats()).toMatchObject({
      turn: { allocations: 0, toPeers: { datagrams: 2 }, toClients: { datagrams: 2 } },
      sendFailures: 0,
    });
  });

  it('relays between two clients without leaving the server', async () => {
    const server = await openServer();
    const [a, b] = [
      await LoopbackClient.open(server.listeners[0]!.primary),
      await LoopbackClient.open(server.listeners[0]!.primary, credential('bob')),
    ];
    const [relayedA, relayedB] = [await a.allocate(), await b.allocate()];
    a.do({ kind: 'bind-channel', peer: relayedB });
    b.do({ kind: 'permit', peer: relayedA });
    await a.next('channel-bound');
    await b.next('permitted');

    a.transmit(a.core.wrap(relayedB, Buffer.from('hello'))!);

    const data = await b.next('data');
    expect([data.peer, Buffer.from(data.bytes).toString()]).toEqual([relayedA, 'hello']);
  });

  it('answers Binding on the same port', async () => {
    const server = await openServer();
    const { primary } = server.listeners[0]!;
    const socket = await boundSocket('127.0.0.1');
    const arrival = once(socket, 'message') as Promise<[Buffer]>;

    socket.send(
      new StunMessageBuilder('request', Method.BINDING, new Uint8Array(12)).toBytes(),
      primary.port,
      primary.address,
    );

    const decoded = decodeStunMessage((await arrival)[0]);
    expect(decoded.ok && decoded.message.get(XorMappedAddress)).toEqual(
      transportAddress('127.0.0.1', socket.address().port),
    );
  });

  it('answers from the alternate address and port where both are configured (RFC 5780)', async () => {
    const listen = [{ address: '127.0.0.1', port: 0, alternateAddress: '127.0.0.2', alternatePort: 0 }];
    const server = await openServer({ listen });
    const { primary, alternatePort } = server.listeners[0]!;
    const socket = await boundSocket('127.0.0.1');
    const arrival = once(socket, 'message') as Promise<[Buffer, { address: string; port: number }]>;
    const request = new StunMessageBuilder('request', Method.BINDING, new Uint8Array(12));

    socket.send(
      request.add(ChangeRequest, { changeAddress: true, changePort: true }).toBytes(),
      primary.port,
      primary.address,
    );

    const [response, from] = await arrival;
    const decoded = decodeStunMessage(response);
    expect([from.address, from.port]).toEqual(['127.0.0.2', alternatePort]);
    expect(decoded.ok && decoded.message.get(OtherAddress)).toEqual(
      transportAddress('127.0.0.2', alternatePort!),
    );
  });

  it('ends an allocation within a second of the revocation of its credential', async () => {
    const events: TurnServerEvent[] = [];
    const server = await openServer({ onEvent: (event) => events.push(event) });
    const client = await LoopbackClient.open(server.listeners[0]!.primary);
    await client.allocate();

    server.control({
      kind: 'revoke',
      credentialId: 'alice',
      untilEpochSeconds: Math.floor(Date.now() / 1000) + 3600,
    });

    expect(events.map((event) => (event.kind === 'allocation-ended' ? event.cause : event.kind))).toEqual([
      'allocation-created',
      'credential-revoked',
    ]);
    expect(server.stats().turn.allocations).toBe(0);
  });

  it('ends an allocation when its credential expires', async () => {
    let ended: (event: TurnServerEvent) => void = () => undefined;
    const end = new Promise<TurnServerEvent>((resolve) => (ended = resolve));
    const server = await openServer({
      onEvent: (event) => event.kind === 'allocation-ended' && ended(event),
    });
    const client = await LoopbackClient.open(server.listeners[0]!.primary, credential('alice', 2));
    await client.allocate();

    expect(await end).toMatchObject({ cause: 'credential-expired' });
  });

  it('takes another port where the system has given one away', async () => {
    const taken = await boundSocket('127.0.0.1');
    const { port } = taken.address();
    const other = port === 65_535 ? port - 1 : port + 1;
    const portRange = { min: Math.min(port, other), max: Math.max(port, other) };
    const server = await openServer({
      turn: {
        realm: 'loopback',
        relay: { ipv4: { bind: '127.0.0.1' }, portRange },
        allowPeers: ['127.0.0.0/8'],
      },
    });
    const client = await LoopbackClient.open(server.listeners[0]!.primary);

    expect((await client.allocate()).port).toBe(other);
  });

  it('rejects a listener that cannot be bound, and leaves nothing bound', async () => {
    const first = await openServer();
    const { port } = first.listeners[0]!.primary;
    const listen = [
      { address: '127.0.0.1', port: 0 },
      { address: '127.0.0.1', port },
    ];

    await expect(openServer({ listen })).rejects.toMatchObject({ code: 'NAT_BIND_FAILED' });
  });

  it('closes twice without complaint', async () => {
    const server = await openServer();
    await LoopbackClient.open(server.listeners[0]!.primary).then((client) => client.allocate());

    await server.close();
    await server.close();
    expect(server.stats().turn.allocations).toBe(1);
  });
});
