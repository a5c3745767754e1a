import type { CandidateBase } from '../../ice/candidate.ts';
import { transportAddress } from '../../net/ip-address.ts';
import { instant } from '../../time/instant.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { EndpointSocket } from './endpoint-socket.ts';
import { HardNatSupport } from './hard-nat-support.ts';

const LOCALHOST = transportAddress('127.0.0.1', 0);
const EXTRA: CandidateBase = { id: 'extra-test-1', kind: 'socket', family: 'ipv4' };

describe('HardNatSupport', () => {
  it('what an extra socket that is gone had to send leaves from no other one, and is counted', async () => {
    const drops: string[] = [];
    const main = await EndpointSocket.open(LOCALHOST, {
      onDatagram: () => undefined,
      onSendError: (code) => drops.push(code),
    });
    const support = new HardNatSupport(new Map([['ipv4', main]]), nodeCrypto, {
      now: () => instant(0),
      paths: () => [],
      onDatagram: () => undefined,
      drop: (reason) => drops.push(reason),
      rearm: () => undefined,
    });
    const send = (base: CandidateBase): boolean =>
      support.transmit(base, transportAddress('127.0.0.1', 9), new Uint8Array(1));

    support.openSockets({ baseLost: () => undefined }, [EXTRA]);
    expect(send(EXTRA)).toBe(true);
    support.closeSockets([EXTRA]);

    expect(send(EXTRA)).toBe(true); // taken care of: the endpoint does not try another socket
    expect(drops).toEqual(['socket-gone']);
    expect(send(main.base)).toBe(false);
    expect(send({ id: 'relay', kind: 'relay', family: 'ipv4' })).toBe(false);
    await Promise.all([support.close(), main.close()]);
  });
});
