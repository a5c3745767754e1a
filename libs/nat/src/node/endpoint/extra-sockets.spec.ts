import type { CandidateBase } from '../../ice/candidate.ts';
import { transportAddress } from '../../net/ip-address.ts';
import type { TransportAddress } from '../../net/transport-address.ts';
import { UdpSocket } from '../udp-socket.ts';
import { ExtraSockets } from './extra-sockets.ts';

const LOCALHOST = transportAddress('127.0.0.1', 0);

function basesOf(count: number): readonly CandidateBase[] {
  return Array.from({ length: count }, (_unused, index) => ({
    id: `extra-test-${index}`,
    kind: 'socket',
    family: 'ipv4',
  }));
}

/** A UDP socket that answers and tells when so many datagrams have come. */
async function echo(count: number): Promise<{ socket: UdpSocket; ports: Set<number>; all: Promise<void> }> {
  const ports = new Set<number>();
  let finish: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const socket: UdpSocket = await UdpSocket.open(LOCALHOST, {
    onDatagram: (bytes, from) => {
      ports.add(from.port);
      socket.send(bytes, from);
      if (ports.size === count) finish();
    },
    onError: (error) => {
      throw error;
    },
  });
  return { socket, ports, all };
}

class Fixture {
  readonly lost: string[] = [];
  readonly drops: string[] = [];
  readonly heard: string[] = [];
  onHeard: () => void = () => undefined;
  readonly sockets: ExtraSockets;

  constructor(bindAddress = LOCALHOST.address) {
    this.sockets = new ExtraSockets({
      bindAddress: () => bindAddress,
      onDatagram: (base: CandidateBase, _bytes: Uint8Array, _from: TransportAddress) => {
        this.heard.push(base.id);
        this.onHeard();
      },
      drop: (reason) => this.drops.push(reason),
    });
  }

  baseLost({ id }: CandidateBase): void {
    this.lost.push(id);
    this.onHeard();
  }

  async until(isDone: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.onHeard = () => {
        if (isDone()) resolve();
      };
      this.onHeard();
    });
  }
}

describe('ExtraSockets', () => {
  it('what is sent before a socket is bound leaves when it is, each from a port of its own', async () => {
    const peer = await echo(256);
    const fixture = new Fixture();
    const bases = basesOf(256);
    fixture.sockets.open(bases, fixture);
    for (const base of bases)
      expect(fixture.sockets.send(base, peer.socket.localAddress, new Uint8Array(1))).toBe(true);

    await peer.all;
    await fixture.until(() => fixture.heard.length === 256);

    expect(peer.ports.size).toBe(256);
    expect(new Set(fixture.heard).size).toBe(256);
    expect(fixture.drops).toEqual([]);
    await Promise.all([fixture.sockets.closeAll(), peer.socket.close()]);
    expect(fixture.sockets.size).toBe(0);
  });

  it('closed ones send nothing, not even those that were not bound yet', async () => {
    const peer = await echo(1);
    const fixture = new Fixture();
    const [first, second] = basesOf(2) as [CandidateBase, CandidateBase];
    fixture.sockets.open([first, second], fixture);
    fixture.sockets.send(first, peer.socket.localAddress, new Uint8Array(1));
    fixture.sockets.send(second, peer.socket.localAddress, new Uint8Array(1));
    fixture.sockets.close([first]);

    await fixture.until(() => fixture.heard.length === 1);

    expect(fixture.heard).toEqual([second.id]);
    expect(fixture.sockets.send(first, peer.socket.localAddress, new Uint8Array(1))).toBe(false);
    await Promise.all([fixture.sockets.closeAll(), peer.socket.close()]);
  });

  it('a socket that cannot be opened is lost and counted', async () => {
    const fixture = new Fixture('192.0.2.77');
    fixture.sockets.open(basesOf(1), fixture);

    await fixture.until(() => fixture.lost.length === 1);

    expect(fixture.drops).toEqual(['extra-socket-failed']);
    expect(fixture.sockets.size).toBe(0);
  });

  it('a second attempt beside one of 256 gets 64 sockets, and all of them once those are closed', async () => {
    const fixture = new Fixture();
    const [first, second, third] = ['1', '2', '3'].map((name) =>
      basesOf(256).map((base) => ({ ...base, id: `${name}-${base.id}` })),
    );
    fixture.sockets.open(first!, fixture);
    fixture.sockets.open(second!, fixture);

    expect(fixture.sockets.size).toBe(320);
    expect(fixture.lost).toEqual(second!.slice(64).map(({ id }) => id));
    expect(fixture.drops).toEqual(fixture.lost.map(() => 'extra-socket-limit'));

    fixture.sockets.close([...first!, ...second!]);
    fixture.sockets.open(third!, fixture);
    expect(fixture.sockets.size).toBe(256);
    await fixture.sockets.closeAll();
  });
});
