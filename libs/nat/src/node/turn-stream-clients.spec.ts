import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import type { FiveTuple } from '../net/five-tuple.ts';
import { transportAddress } from '../net/ip-address.ts';
import { StunMessageBuilder } from '../stun/message-builder.ts';
import { encodeChannelData } from '../turn/channel-data.ts';
import { encodeDataIndication } from '../turn/relayed-data.ts';
import { TurnStreamClients } from './turn-stream-clients.ts';

const tuple: FiveTuple = {
  client: transportAddress('192.0.2.1', 50_000),
  server: transportAddress('192.0.2.2', 443),
  protocol: 'tls',
};
const ID = new Uint8Array(12);
const answer = new StunMessageBuilder('success', 9, ID).toBytes();
const indication = encodeDataIndication({ peer: tuple.client, bytes: new Uint8Array(40) }, ID);

/** A connection whose other end reads nothing at all. */
class StuckSocket extends Socket {
  override _read(): void {
    // Nothing ever comes.
  }
  override _write(): void {
    // Never done.
  }
  override _writev(): void {
    // Never done.
  }
}

function stuckClient() {
  const ended: FiveTuple[] = [];
  const clients = new TurnStreamClients(
    {
      receive: () => undefined,
      closed: (whose) => ended.push(whose),
      holdsAllocation: () => true,
    },
    { queueBytes: 1000, replyBytes: 500 },
  );
  const socket = new StuckSocket();
  clients.add(socket, tuple);
  return { clients, socket, ended };
}

describe('TurnStreamClients › a client that does not read', () => {
  it.each([
    ['ChannelData', encodeChannelData(0x4000, new Uint8Array(96))],
    ['Data indications', indication],
  ])('lets no more %s wait than it may, and counts what it drops', (_name, data) => {
    const { clients, socket, ended } = stuckClient();
    const fitting = Math.floor(1000 / data.length);

    for (let sent = 0; sent < fitting + 7; sent += 1) clients.send(tuple, data);

    expect(socket.writableLength).toBe(fitting * data.length);
    expect(clients.stats()).toMatchObject({ open: 1, drops: { 'slow-reader': 7 }, ended: {} });
    expect(ended).toEqual([]);
    clients.close();
  });

  it('lets answers wait beyond the data, and disconnects at their limit', () => {
    const { clients, socket, ended } = stuckClient();
    for (let sent = 0; sent < 20; sent += 1) clients.send(tuple, indication);

    while (socket.writableLength + answer.length <= 1500) clients.send(tuple, answer);
    expect(clients.stats()).toMatchObject({ open: 1, ended: {} });
    clients.send(tuple, answer);

    expect(clients.stats()).toMatchObject({ open: 0, ended: { 'unread-replies': 1 } });
    expect(ended).toEqual([tuple]);
    expect(socket.destroyed).toBe(true);
  });

  it('ignores what is for a connection that has ended', () => {
    const { clients, ended } = stuckClient();
    clients.close();

    clients.send(tuple, answer);

    expect(ended).toEqual([tuple]);
    expect(clients.stats().open).toBe(0);
  });
});

/** Lets go of everything when it is told to. */
class HeldSocket extends Socket {
  #release: (() => void) | undefined;
  override _read(): void {
    // Nothing ever comes.
  }
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    this.#release = done;
  }
  override _writev(_chunks: unknown, done: () => void): void {
    this.#release = done;
  }
  release(): void {
    const done = this.#release;
    this.#release = undefined;
    done?.();
  }
}

describe('TurnStreamClients › many clients that do not read', () => {
  const data = encodeChannelData(0x4000, new Uint8Array(1020)); // 1 KiB with its header

  function crowd(count: number) {
    const clients = new TurnStreamClients(
      { receive: () => undefined, closed: () => undefined, holdsAllocation: () => true },
      { allQueuesBytes: 100 * 1024 },
    );
    const members = Array.from({ length: count }, (_unused, index) => {
      const member = {
        socket: new HeldSocket(),
        tuple: { ...tuple, client: transportAddress('192.0.2.1', 50_000 + index) },
      };
      clients.add(member.socket, member.tuple);
      return member;
    });
    const send = (to: number, messages: number): number => {
      const { socket, tuple: whose } = members[to]!;
      const before = socket.writableLength;
      for (let sent = 0; sent < messages; sent += 1) clients.send(whose, data);
      return (socket.writableLength - before) / data.length;
    };
    return { clients, members, send };
  }

  it('lets no more wait for all of them than it may, but for the share that each has', () => {
    const { clients, send } = crowd(3);

    expect([send(0, 60), send(1, 60), send(2, 60)]).toEqual([60, 40, 16]);
    expect(clients.stats().drops).toEqual({ 'queues-full': 64 });
    clients.close();
  });

  it.each([
    ['ended', ({ socket }: { socket: HeldSocket }) => socket.destroy()],
    [
      'read on',
      ({ socket }: { socket: HeldSocket }) => {
        socket.release(); // the first write
        socket.release(); // all others together
      },
    ],
  ])('has room again when one of them %s', async (_name, act) => {
    const { clients, members, send } = crowd(2);
    expect([send(0, 80), send(1, 80)]).toEqual([80, 20]);

    act(members[0]!);
    await new Promise((resolve) => setImmediate(resolve));

    expect(send(1, 200)).toBe(80);
    clients.close();
  });
});
