import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { CalleeHandshake, CallerHandshake, type HandshakeOptions } from '../session-handshake.ts';
import type { Session } from '../session.ts';
import { impairedPair, type Impairment, type TestPath } from './impaired-path.ts';

/** The key of a made-up device. */
export interface TestDevice {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

export function testDevice(): TestDevice {
  const { privateKey } = generateKeyPairSync('ed25519');
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return { privateKey, publicKey: spki.subarray(spki.length - 32) };
}

export interface SessionPair {
  readonly caller: Session;
  readonly callee: Session;
  readonly callerPath: TestPath;
  readonly calleePath: TestPath;
}

/** Two sessions whose flights went through perfect signalling and whose packets go through an impaired path. */
export function sessionPair(
  impairment: Impairment = {},
  settings: Pick<HandshakeOptions, 'idleTimeoutMs' | 'keepAliveMs'> = {},
): SessionPair {
  const [alice, bob] = [testDevice(), testDevice()];
  const [callerPath, calleePath] = impairedPair(impairment);
  const calling = new CallerHandshake({ deviceKey: alice.privateKey, peerKey: bob.publicKey, ...settings });
  const called = new CalleeHandshake(
    { deviceKey: bob.privateKey, peerKey: alice.publicKey, ...settings },
    calling.flight.packets,
  );
  calling.acceptAnswer(called.flight.packets);
  const callee = called.complete(calleePath);
  const caller = calling.complete(callerPath);
  return { caller, callee, callerPath, calleePath };
}

/** The first item of an async iterable. */
export async function firstOf<T>(items: AsyncIterable<T>): Promise<T> {
  for await (const item of items) return item;
  return Promise.reject(new RangeError('the iterable ended before its first item'));
}
