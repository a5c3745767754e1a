import { describe, expect, it } from '@jest/globals';
import { TurnLab } from '../../testing/turn-lab.ts';
import { after, instant } from '../../time/instant.ts';
import { nodeCrypto } from '../node-crypto.ts';
import { RelayTransports, type AllocatedRelay } from './relay-transports.ts';

/** Nothing listens there: what matters is when a connection is tried. */
const STREAMS = [{ transport: 'tcp', host: '127.0.0.1', port: 1 }] as const;

function newTransports() {
  const turn = new TurnLab(nodeCrypto);
  const { tuple } = turn.client();
  const sent: Uint8Array[] = [];
  const allocated: AllocatedRelay[] = [];
  const transports = new RelayTransports({
    name: 'relay',
    turn: { server: turn.listener, streams: STREAMS, ...turn.credential() },
    crypto: nodeCrypto,
    renewCredential: undefined,
    events: {
      sendUdp: (_server, bytes) => sent.push(bytes),
      allocated: (relay) => allocated.push(relay),
      lost: () => undefined,
      data: () => undefined,
      peerRefused: () => undefined,
      drop: () => undefined,
      log: () => undefined,
      now: () => turn.now,
      rearm: () => undefined,
    },
  });
  /** The server gets what was sent, and its answers arrive. */
  const exchange = (): void => {
    for (const bytes of sent.splice(0)) {
      for (const output of turn.datagram(tuple, bytes))
        if (output.kind === 'send') transports.receive(output.bytes, turn.listener, turn.now);
    }
  };
  const at = (milliseconds: number): void => {
    turn.now = instant(milliseconds);
  };
  return { transports, turn, allocated, exchange, at };
}

describe('RelayTransports', () => {
  it('gives UDP a head start of 300 ms', () => {
    const { transports, turn } = newTransports();

    transports.start(turn.now);

    expect(transports.nextTimeoutAt()).toBe(300);
  });

  it('opens no stream where UDP answers, be it with a challenge only', () => {
    const { transports, turn, allocated, exchange, at } = newTransports();
    transports.start(turn.now);

    at(250);
    exchange();
    expect(transports.nextTimeoutAt()).toBeGreaterThan(300);
    at(500);
    exchange();

    expect(allocated).toMatchObject([{ transport: 'udp' }]);
    expect(transports.nextTimeoutAt()).toBeGreaterThan(60_000);
  });

  it('asks for a stream again when an allocation over UDP is in doubt, and forgets it with the answer', () => {
    const { transports, turn, exchange, at } = newTransports();
    transports.start(turn.now);
    exchange();
    exchange();
    at(10_000);

    transports.verify(turn.now);
    const inDoubt = transports.nextTimeoutAt();
    exchange();

    expect(inDoubt).toBeLessThanOrEqual(after(turn.now, 1000));
    expect(transports.nextTimeoutAt()).toBeGreaterThan(after(turn.now, 1000));
  });

  it('does not try a stream for what another flow over UDP has shown to work', () => {
    const { transports, turn } = newTransports();
    transports.prepare(turn.now);
    expect(transports.nextTimeoutAt()).toBe(300);

    transports.udpAnswered(turn.now);

    expect(transports.nextTimeoutAt()).toBeUndefined();
  });

  it('knows the servers that it uses, whatever the credential', () => {
    const { transports, turn } = newTransports();
    const same = { server: turn.listener, streams: [...STREAMS], username: 'u', password: 'p' };

    expect(transports.isAt(same)).toBe(true);
    expect(transports.isAt({ ...same, streams: [] })).toBe(false);
    expect(transports.isAt({ ...same, server: { ...turn.listener, port: 9 } })).toBe(false);
  });
});
