import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { transportAddress } from '../net/ip-address.ts';
import type { TransportAddress } from '../net/transport-address.ts';
import { XorMappedAddress } from '../stun/attributes/address.ts';
import { ChangeRequest } from '../stun/attributes/behaviour.ts';
import { ErrorCode } from '../stun/attributes/error.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { decodeStunMessage, type StunMessage } from '../stun/message.ts';
import { Method } from '../stun/message-type.ts';
import { encodeChannelData } from '../turn/channel-data.ts';
import { StreamTurnClient, testCredential } from './testing/stream-turn-client.ts';
import { TurnServerDriver, type TurnServerDriverOptions } from './turn-server-driver.ts';

const SECRET = 'stream secret';
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) await close();
});

async function openServer(options: Partial<TurnServerDriverOptions> = {}) {
  const driver = await TurnServerDriver.open({
    listen: [{ address: '127.0.0.1', port: 0, alternatePort: 0, tcp: true }],
    turn: { realm: 'stream', relay: { ipv4: { bind: '127.0.0.1' } }, allowPeers: ['127.0.0.0/8'] },
    ...options,
  });
  closing.push(() => driver.close());
  driver.control({ kind: 'set-secrets', tenantRef: '', secrets: [SECRET] });
  return { driver, server: driver.listeners[0]!.primary };
}

async function clientOf(server: TransportAddress, id = 'alice'): Promise<StreamTurnClient> {
  const client = await StreamTurnClient.connect(server, testCredential(SECRET, id));
  closing.push(() => client.socket.destroy());
  return client;
}

async function connected(server: TransportAddress): Promise<Socket> {
  const socket = connect(server.port, server.address);
  closing.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function udpPeer(): Promise<{ socket: UdpSocket; address: TransportAddress }> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closing.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return { socket, address: transportAddress('127.0.0.1', socket.address().port) };
}

async function binding(
  socket: Socket,
  build = (builder: StunMessageBuilder) => builder,
): Promise<StunMessage> {
  socket.write(build(new StunMessageBuilder('request', Method.BINDING, new Uint8Array(12))).toBytes());
  const decoded = decodeStunMessage(((await once(socket, 'data')) as [Buffer])[0]);
  if (!decoded.ok) throw new RangeError(decoded.reason);
  return decoded.message;
}

/** Until what the driver counts is as wanted; the test's own limit is the deadline. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}

describe('TurnServerDriver › TCP', () => {
  it('relays both ways between a client on TCP and a peer on UDP', async () => {
    const { driver, server } = await openServer();
    const client = await clientOf(server);
    const peer = await udpPeer();
    const relayed = await client.allocate();
    client.do({ kind: 'bind-channel', peer: peer.address });
    await client.next('channel-bound');
    const arrival = once(peer.socket, 'message') as Promise<[Buffer, { port: number }]>;

    client.transmit(client.core.wrap(peer.address, Buffer.from('to the peer'))!);
    const [bytes, from] = await arrival;
    peer.socket.send(bytes, from.port, '127.0.0.1');
    const back = client.core.unwrap(encodeChannelData(0x4000, bytes)) ?? (await client.next('data'));

    expect([bytes.toString(), from.port]).toEqual(['to the peer', relayed.port]);
    expect(Buffer.from(back.bytes).toString()).toBe('to the peer');
    expect(driver.stats()).toMatchObject({ streams: { open: 1, drops: {}, ended: {} }, turn: { drops: {} } });
  });

  it('answers Binding with the TCP address, and offers no behaviour discovery there', async () => {
    const { server } = await openServer();
    const socket = await connected(server);

    const answer = await binding(socket);
    const refusal = await binding(socket, (builder) =>
      builder.add(ChangeRequest, { changeAddress: false, changePort: true }),
    );

    expect(answer.get(XorMappedAddress)).toEqual(transportAddress('127.0.0.1', socket.localPort!));
    expect(refusal.get(ErrorCode)?.code).toBe(420);
  });

  it('ends an allocation with its connection', async () => {
    const { driver, server } = await openServer();
    const client = await clientOf(server);
    await client.allocate();

    client.socket.destroy();

    await until(() => driver.stats().turn.allocations === 0);
    expect(driver.stats().streams.open).toBe(0);
  });

  it('drops relayed data for a slow reader, counts it, and keeps the rest bounded', async () => {
    const { driver, server } = await openServer({ streams: { queueBytes: 20_000 } });
    const client = await clientOf(server);
    const peer = await udpPeer();
    const relayed = await client.allocate();
    client.do({ kind: 'bind-channel', peer: peer.address });
    await client.next('channel-bound');
    client.socket.pause();

    // More than any kernel buffer holds, in rounds: UDP itself may lose some of a burst.
    for (let round = 0; driver.stats().streams.drops['slow-reader'] === undefined; round += 1) {
      expect(round).toBeLessThan(5000);
      for (let at = 0; at < 20; at += 1) peer.socket.send(Buffer.alloc(1200), relayed.port, '127.0.0.1');
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket.resume();
    client.do({ kind: 'permit', peer: transportAddress('127.0.0.2', 9) });

    await client.next('permitted'); // an answer still comes, and the connection lives
    expect(driver.stats().streams).toMatchObject({ open: 1, ended: {} });
  });

  it('closes a connection without an allocation after its time, and leaves one with an allocation alone', async () => {
    const { driver, server } = await openServer({ streams: { idleMs: 300 } });
    const idle = await connected(server);
    const client = await clientOf(server);
    await client.allocate();
    const asks = setInterval(
      () => idle.write(new StunMessageBuilder('request', 1, new Uint8Array(12)).toBytes()),
      50,
    );

    await once(idle.resume(), 'close');
    clearInterval(asks);
    const second = await connected(server);
    await once(second.resume(), 'close');

    expect(driver.stats()).toMatchObject({
      streams: { open: 1, ended: { idle: 2 } },
      turn: { allocations: 1 },
    });
  });

  it.each([
    ['not-turn', Buffer.from('GET / HTTP/1.1\r\n\r\n\r\n')],
    ['message-too-long', encodeChannelData(0x4000, new Uint8Array(5000))],
  ])('closes a connection out of step: %s', async (reason, bytes) => {
    const { driver, server } = await openServer();
    const socket = await connected(server);

    socket.write(reason === 'not-turn' ? Uint8Array.of(0x80, ...bytes) : bytes);
    await once(socket.resume(), 'close');

    expect(driver.stats().streams).toMatchObject({ open: 0, ended: { [reason]: 1 } });
  });

  it('refuses connections beyond the limit of a source, and takes new ones when others end', async () => {
    const { driver, server } = await openServer({ connections: { connections: 9, connectionsPerSource: 2 } });
    const [first] = [await connected(server), await connected(server)];

    const refused = await connected(server);
    await once(refused.resume(), 'close');
    expect(driver.stats().streams).toMatchObject({
      open: 2,
      refused: { 'too-many-connections-of-source': 1 },
    });

    first.destroy();
    await until(() => driver.stats().streams.open === 1);
    expect((await binding(await connected(server))).messageClass).toBe('success');
  });

  it('keeps nothing of connections that came and went', async () => {
    const { driver, server } = await openServer({
      connections: { connections: 50, connectionsPerSource: 50 },
      turn: {
        realm: 'stream',
        relay: { ipv4: { bind: '127.0.0.1' } },
        quotas: { allocations: 20, allocationsPerCredential: 20, allocationsPerAddress: 20 },
        unauthenticatedReplies: { perSecond: 10_000, burst: 10_000 },
      },
    });

    // Far more than the limits admit at one time: they'd refuse if anything was kept.
    for (let round = 0; round < 15; round += 1) {
      const clients = await Promise.all(Array.from({ length: 20 }, () => clientOf(server)));
      await Promise.all(clients.map((client) => client.allocate()));
      for (const { socket } of clients) socket.destroy();
      await until(() => driver.stats().streams.open === 0 && driver.stats().turn.allocations === 0);
    }

    expect(driver.stats()).toMatchObject({
      streams: { open: 0, accepted: 300, refused: {} },
      turn: { allocations: 0, allocationsCreated: 300 },
    });
  });

  it('closes with its connections', async () => {
    const { driver, server } = await openServer();
    const socket = await connected(server);
    await binding(socket);

    const closed = once(socket, 'close');
    await driver.close();

    await closed;
    await expect(connected(server)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
