import { randomBytes, sign } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { connectionIdOf } from './connection-id.ts';
import { deviceCertificate, trustAnchor } from './device-certificate.ts';
import type { QuicEngineFactory } from './quic-engine.ts';
import { createQuicheEngine } from './quic-engine.quiche.ts';
import { CalleeHandshake, CallerHandshake, flightHash } from './session-handshake.ts';
import type { Session } from './session.ts';
import { impairedPair } from './testing/impaired-path.ts';
import { firstOf, testDevice, type TestDevice } from './testing/session-pair.ts';

const sessions: Session[] = [];

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
});

const calls = (who: TestDevice, peer: TestDevice, engine?: QuicEngineFactory) =>
  new CallerHandshake({
    deviceKey: who.privateKey,
    peerKey: peer.publicKey,
    ...(engine === undefined ? {} : { engine }),
  });
const answers = (
  who: TestDevice,
  peer: TestDevice,
  flight: readonly Uint8Array[],
  engine?: QuicEngineFactory,
) =>
  new CalleeHandshake(
    { deviceKey: who.privateKey, peerKey: peer.publicKey, ...(engine === undefined ? {} : { engine }) },
    flight,
  );

function keep<T extends Session>(session: T): T {
  sessions.push(session);
  return session;
}

describe('Handshake › flights in signalling (DESIGN 6.8)', () => {
  it('needs one packet each way and lets the caller send its first bytes when the answer arrives', async () => {
    const [alice, bob] = [testDevice(), testDevice()];
    const [callerPath, calleePath] = impairedPair();
    const calling = calls(alice, bob);
    const called = answers(bob, alice, calling.flight.packets);
    calling.acceptAnswer(called.flight.packets);

    expect([calling.flight.packets.length, called.flight.packets.length]).toEqual([1, 1]);
    expect(calling.flight.packets[0]).toHaveLength(1_200);
    expect(calling.flight.sha256).toEqual(flightHash(calling.flight.packets));
    expect(called.flight.sha256).not.toEqual(calling.flight.sha256);

    const callee = keep(called.complete(calleePath));
    const caller = keep(calling.complete(callerPath));
    await caller.ready;
    expect(calleePath.sent).toBe(0);
    await caller.openStream().write(Buffer.from('first'));
    const stream = await firstOf(callee.incomingStreams);
    expect(Buffer.from((await stream.read()) ?? []).toString()).toBe('first');
  });

  it('names the ids that the first packets carry, so that a socket can tell sessions apart', async () => {
    const [alice, bob] = [testDevice(), testDevice()];
    const [callerPath, calleePath] = impairedPair();
    const calling = calls(alice, bob);
    const called = answers(bob, alice, calling.flight.packets);
    const seen = { atCallee: new Set<string | undefined>(), atCaller: new Set<string | undefined>() };
    callerPath.filter = (packet) => Boolean(seen.atCallee.add(connectionIdOf(packet)));
    calleePath.filter = (packet) => Boolean(seen.atCaller.add(connectionIdOf(packet)));

    // without the answer, so that the very first packets travel over the path, too
    const callee = keep(called.complete(calleePath));
    const caller = keep(calling.complete(callerPath));
    callee.onDatagram((bytes) => callee.sendDatagram(bytes));
    await Promise.all([caller.ready, callee.ready]);
    caller.sendDatagram(Buffer.from('echo'));
    await firstOf(caller.datagrams);

    expect(called.connectionIds).toEqual(expect.arrayContaining([...seen.atCallee]));
    expect(calling.connectionIds).toEqual([...seen.atCaller]);
    expect(called.connectionIds).toHaveLength(2);
  });

  it('repeats over the path what got lost in the signalling or on the way', async () => {
    const [alice, bob] = [testDevice(), testDevice()];
    const [callerPath, calleePath] = impairedPair({ delayMs: 2 });
    let losses = 2;
    callerPath.filter = () => (losses -= 1) < 0;
    const calling = calls(alice, bob);
    const called = answers(bob, alice, calling.flight.packets);

    const callee = keep(called.complete(calleePath));
    const caller = keep(calling.complete(callerPath));
    await Promise.all([caller.ready, callee.ready]);

    caller.sendDatagram(Buffer.from('here'));
    expect(Buffer.from(await firstOf(callee.datagrams)).toString()).toBe('here');
  });

  it('does not wait for the timer of QUIC when the first packet on the path is lost after a slow answer', async () => {
    const [alice, bob] = [testDevice(), testDevice()];
    const [callerPath, calleePath] = impairedPair({ delayMs: 2 });
    let losses = 1;
    callerPath.filter = () => (losses -= 1) < 0;
    const calling = calls(alice, bob);
    await new Promise((resolve) => setTimeout(resolve, 700));
    const called = answers(bob, alice, calling.flight.packets);
    calling.acceptAnswer(called.flight.packets);

    const startedAt = performance.now();
    const callee = keep(called.complete(calleePath));
    const caller = keep(calling.complete(callerPath));
    await callee.ready;

    // QUIC itself would take three times the 700 ms of its first round trip
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    expect(caller.stats().rttMs).toBeGreaterThan(500);
    while (caller.stats().rttMs > 250) await new Promise((resolve) => setTimeout(resolve, 20));
  });

  it.each([
    ['nothing', []],
    ['an empty packet', [new Uint8Array(0)]],
    ['random bytes', [randomBytes(1_200)]],
    ['a packet that is too long', [randomBytes(1_201)]],
    ['too many packets', Array.from({ length: 9 }, () => randomBytes(100))],
    ['a long header and nonsense', [Buffer.concat([Buffer.from('c30000000110', 'hex'), randomBytes(1_100)])]],
  ])('refuses an offer with %s', (_name, packets) => {
    const [alice, bob] = [testDevice(), testDevice()];

    expect(() => answers(bob, alice, packets)).toThrow(
      expect.objectContaining({ code: 'EDGE_FLIGHT_INVALID' }),
    );
    expect(() => calls(alice, bob).acceptAnswer(packets)).toThrow(
      expect.objectContaining({ code: 'EDGE_FLIGHT_INVALID' }),
    );
  });

  it('refuses a cut-off flight of a real client', () => {
    const [alice, bob] = [testDevice(), testDevice()];
    const [packet] = calls(alice, bob).flight.packets;

    expect(() => answers(bob, alice, [packet!.subarray(0, 200)])).toThrow(
      expect.objectContaining({ code: 'EDGE_FLIGHT_INVALID' }),
    );
  });

  it('refuses a key that is no Ed25519 key', () => {
    const alice = testDevice();

    expect(() => new CallerHandshake({ deviceKey: alice.privateKey, peerKey: randomBytes(31) })).toThrow(
      expect.objectContaining({ code: 'EDGE_DEVICE_KEY_INVALID' }),
    );
  });
});

describe('Handshake › device keys', () => {
  const everything = 'app data must not get through';

  it('refuses a callee with another key before the caller has sent a byte', () => {
    const [alice, bob, mallory] = [testDevice(), testDevice(), testDevice()];
    const calling = calls(alice, bob);
    const called = answers(mallory, alice, calling.flight.packets);

    expect(() => calling.acceptAnswer(called.flight.packets)).toThrow(
      expect.objectContaining({ code: 'EDGE_PEER_KEY_MISMATCH' }),
    );
  });

  it('refuses a callee with another key over the path, and gives it nothing', async () => {
    const [alice, bob, mallory] = [testDevice(), testDevice(), testDevice()];
    const [callerPath, calleePath] = impairedPair();
    const calling = calls(alice, bob);
    const called = answers(mallory, alice, calling.flight.packets);
    const callee = keep(called.complete(calleePath));
    const caller = keep(calling.complete(callerPath));

    await expect(caller.ready).rejects.toMatchObject({ code: 'EDGE_PEER_KEY_MISMATCH' });
    expect(() => caller.openStream()).toThrow(expect.objectContaining({ code: 'EDGE_PEER_KEY_MISMATCH' }));
    expect(caller.sendDatagram(Buffer.from(everything))).toBe(false);
    await expect(callee.ready).rejects.toMatchObject({ code: 'EDGE_REFUSED_BY_PEER' });
    expect(callee.stats().datagramsReceived).toBe(0);
  });

  it('refuses a caller with another key, and hands none of its data to the app', async () => {
    const [alice, bob, mallory] = [testDevice(), testDevice(), testDevice()];
    const [callerPath, calleePath] = impairedPair();
    const calling = calls(mallory, bob);
    const called = answers(bob, alice, calling.flight.packets);
    calling.acceptAnswer(called.flight.packets);
    const callee = keep(called.complete(calleePath));
    const caller = keep(calling.complete(callerPath));
    const got: unknown[] = [];
    callee.onDatagram((bytes) => got.push(bytes));

    await caller.ready;
    caller.sendDatagram(Buffer.from(everything));
    const writing = caller.openStream().write(Buffer.from(everything));

    await expect(callee.ready).rejects.toMatchObject({ code: 'EDGE_PEER_KEY_MISMATCH' });
    expect(await callee.closed).toMatchObject({ by: 'error', error: { code: 'EDGE_PEER_KEY_MISMATCH' } });
    expect(await caller.closed).toMatchObject({ by: 'error', error: { code: 'EDGE_REFUSED_BY_PEER' } });
    await writing;
    for await (const stream of callee.incomingStreams) got.push(stream);
    expect(got).toEqual([]);
    expect(callee.stats().datagramsReceived).toBe(0);
  });

  it.each(['caller', 'callee'] as const)(
    'refuses a %s whose certificate is signed by the right key but holds another',
    async (liar) => {
      const [alice, bob, mallory] = [testDevice(), testDevice(), testDevice()];
      const [callerPath, calleePath] = impairedPair();
      const impostor = liar === 'caller' ? alice : bob;
      const lie = delegated(impostor, mallory);
      const calling = calls(alice, bob, liar === 'caller' ? lie : undefined);
      const called = answers(bob, alice, calling.flight.packets, liar === 'callee' ? lie : undefined);
      const callee = keep(called.complete(calleePath));
      const caller = keep(calling.complete(callerPath));
      const victim = liar === 'caller' ? callee : caller;
      const got: unknown[] = [];
      victim.onDatagram((bytes) => got.push(bytes));

      await expect(victim.ready).rejects.toMatchObject({ code: 'EDGE_PEER_KEY_MISMATCH' });
      expect(got).toEqual([]);
    },
  );
});

/** An engine that presents a leaf for the key of `holder`, issued by `issuer`: TLS accepts the chain. */
function delegated(issuer: TestDevice, holder: TestDevice): QuicEngineFactory {
  return (side, options) => {
    const own = deviceCertificate(holder.privateKey);
    const der = derOf(own.certificate);
    const anchorOf = (key: Uint8Array) => issuerName(derOf(trustAnchor(key)));
    const unsigned = replaceOnce(innerOf(der), anchorOf(holder.publicKey), anchorOf(issuer.publicKey));
    const signature = sign(null, unsigned, issuer.privateKey);
    const forged = replaceOnce(
      replaceOnce(der, innerOf(der), unsigned),
      der.subarray(der.length - 64),
      signature,
    );
    const certificate = `-----BEGIN CERTIFICATE-----\n${forged.toString('base64')}\n-----END CERTIFICATE-----\n`;
    return createQuicheEngine(side, { ...options, certificate, privateKey: own.privateKey });
  };
}

const derOf = (pem: string): Buffer => Buffer.from(pem.replaceAll(/-----.*-----|\n/g, ''), 'base64');

/** TBSCertificate: after the outer header of 3 or 4 bytes, with its own header. */
function innerOf(der: Buffer): Buffer {
  const start = der[1] === 0x81 ? 3 : 4;
  const length = der[start + 1] === 0x81 ? 3 + der[start + 2]! : 4 + der.readUInt16BE(start + 2);
  return der.subarray(start, start + length);
}

/** The 64 hexadecimal digits of the first name. */
function issuerName(der: Buffer): Buffer {
  const at = der.indexOf(Buffer.from('06035504030c40', 'hex')) + 7;
  return der.subarray(at, at + 64);
}

function replaceOnce(whole: Buffer, part: Buffer, other: Uint8Array): Buffer {
  const at = whole.indexOf(part);
  return Buffer.concat([whole.subarray(0, at), other, whole.subarray(at + part.length)]);
}
