import { EventEmitter, once } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { transportAddress } from '../net/ip-address.ts';
import { errorCodeOf, UdpSocket } from './udp-socket.ts';

describe('UdpSocket', () => {
  it('counts what should go to port 0, whoever chose it, and goes on', async () => {
    const errors: string[] = [];
    const received = new EventEmitter();
    const socket = await UdpSocket.open(transportAddress('127.0.0.1', 0), {
      onDatagram: (bytes) => received.emit('datagram', [...bytes]),
      onError: (error) => errors.push(errorCodeOf(error)),
    });
    const heard = once(received, 'datagram');

    socket.send(Uint8Array.of(1), transportAddress('127.0.0.1', 0));
    socket.send(Uint8Array.of(2), socket.localAddress);

    expect(await heard).toEqual([[2]]);
    expect(errors).toEqual(['NAT_INVALID_ARGUMENT']);
    await socket.close();
  });
});
