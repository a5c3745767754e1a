import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { seeded } from './testing/impaired-path.ts';
import { firstOf, sessionPair, type SessionPair } from './testing/session-pair.ts';

const open: SessionPair[] = [];

async function readyPair(): Promise<SessionPair> {
  const pair = sessionPair();
  open.push(pair);
  await Promise.all([pair.caller.ready, pair.callee.ready]);
  return pair;
}

afterEach(async () => {
  await Promise.all(open.splice(0).flatMap(({ caller, callee }) => [caller.close(), callee.close()]));
});

async function stillWorks({ caller, callee }: SessionPair): Promise<void> {
  caller.sendDatagram(Buffer.from('to callee'));
  expect(Buffer.from(await firstOf(callee.datagrams)).toString()).toBe('to callee');
  callee.sendDatagram(Buffer.from('to caller'));
  expect(Buffer.from(await firstOf(caller.datagrams)).toString()).toBe('to caller');
}

describe('Session › packets that are not from the other end', () => {
  it('counts and forgets random bytes, and packets for unknown ids', async () => {
    const pair = await readyPair();
    // A round trip later no repeated packet of the handshake is under way any more, which would be one too many.
    await stillWorks(pair);
    const before = pair.callee.stats().packetsRejected;

    for (let length = 0; length < 400; length += 1) pair.calleePath.inject(randomBytes(length));

    await stillWorks(pair);
    expect(pair.callee.stats().packetsRejected - before).toBe(400);
  });

  it('counts and forgets packets with the right id and a wrong content', async () => {
    const pair = await readyPair();
    const seen: Uint8Array[] = [];
    pair.callerPath.filter = (packet) => Boolean(seen.push(Uint8Array.from(packet)));
    await stillWorks(pair);
    const random = seeded(11);
    const before = pair.callee.stats().packetsRejected;
    const genuine = seen.find((packet) => (packet[0]! & 0x80) === 0);

    for (let round = 0; round < 500; round += 1) {
      const forged = Uint8Array.from(genuine!);
      const at = 17 + Math.floor(random() * (forged.length - 17));
      forged[at] = forged[at]! ^ (1 + Math.floor(random() * 255));
      pair.calleePath.inject(forged.subarray(0, 18 + Math.floor(random() * forged.length)));
    }

    await stillWorks(pair);
    expect(pair.callee.stats().packetsRejected - before).toBe(500);
  });

  it('delivers a replayed packet once', async () => {
    const pair = await readyPair();
    const seen: Uint8Array[] = [];
    pair.callerPath.filter = (packet) => Boolean(seen.push(Uint8Array.from(packet)));
    await stillWorks(pair);
    const received = pair.callee.stats().datagramsReceived;

    for (const packet of seen) pair.calleePath.inject(Uint8Array.from(packet));

    await stillWorks(pair);
    expect(pair.callee.stats().datagramsReceived).toBe(received + 1);
    expect(pair.callee.stats().packetsRejected).toBeGreaterThanOrEqual(1);
  });

  it('ignores long headers that claim another version, and packets of another session', async () => {
    const [pair, other] = [await readyPair(), await readyPair()];
    const strays: Uint8Array[] = [];
    other.callerPath.filter = (packet) => Boolean(strays.push(Uint8Array.from(packet)));
    await stillWorks(other);
    const ids: Uint8Array[] = [];
    pair.callerPath.filter = (packet) => Boolean(ids.push(packet.slice(1, 17)));
    await stillWorks(pair);
    const wrongVersion = Buffer.concat([
      Buffer.from('c0babababa10', 'hex'),
      ids[0]!,
      Buffer.of(16),
      randomBytes(1_100),
    ]);
    const negotiation = Buffer.concat([
      Buffer.from('c00000000010', 'hex'),
      ids[0]!,
      Buffer.of(16),
      randomBytes(24),
    ]);

    for (const packet of [...strays, wrongVersion, negotiation]) pair.calleePath.inject(packet);

    await stillWorks(pair);
    expect(pair.callee.stats().packetsRejected).toBeGreaterThanOrEqual(strays.length + 2);
  });
});
