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
