import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import {
  DEFAULT_TENANT,
  encodeBase64url,
  encodePayload,
  sessionIdSchema,
  signingInput,
  userIdSchema,
  type SessionId,
  type Signed,
  type SigningContext,
} from '@parley/protocol';
import type { Caller } from '../../identity/caller.ts';
import { deviceIdOf } from '../../identity/digest.ts';

/** A linked device with a real key. */
export interface SigningCaller extends Caller {
  readonly key: KeyObject;
  readonly publicKey: string;
}

export function signingCaller(user: string): SigningCaller {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url');
  const userId = userIdSchema.parse(user);
  return {
    tenant: DEFAULT_TENANT,
    userId,
    deviceId: deviceIdOf(raw),
    linked: true,
    key: privateKey,
    publicKey: encodeBase64url(raw),
  };
}

export function signAs(device: SigningCaller, context: SigningContext, payload: unknown): Signed {
  const bytes = encodePayload(payload);
  const signature = sign(null, signingInput(context, bytes), device.key);
  return { payload: encodeBase64url(bytes), signature: encodeBase64url(signature), signer: device.publicKey };
}

export function sessionId(n: number): SessionId {
  return sessionIdSchema.parse(encodeBase64url(new Uint8Array(16).fill(n)));
}

const party = ({ userId, deviceId }: Caller) => ({ userId, deviceId });
const digest = encodeBase64url(new Uint8Array(32));
const ice = { ufrag: 'abcd', pwd: 'abcdefghijklmnopqrstuv' };

/** Payloads that fit their schemas; `over` breaks what a test wants broken. */
export function offerPayload(from: Caller, to: Caller, id: SessionId, issuedAt: number, over: object = {}) {
  const half = {
    sessionId: id,
    from: party(from),
    to: party(to),
    issuedAt,
    ice,
    candidates: [],
    flightHash: digest,
  };
  return { ...half, expiresInMs: 30_000, policy: 'any', ...over };
}

export function answerPayload(from: Caller, to: Caller, id: SessionId, issuedAt: number, over: object = {}) {
  const half = {
    sessionId: id,
    from: party(from),
    to: party(to),
    issuedAt,
    ice,
    candidates: [],
    flightHash: digest,
  };
  return { ...half, stage: 'accepted', offerHash: digest, ...over };
}

export function candidatesPayload(from: Caller, to: Caller, id: SessionId, issuedAt: number) {
  const half = { sessionId: id, from: party(from), to: party(to), issuedAt, ice, candidates: [] };
  return { ...half, sequence: 0, endOfCandidates: true };
}
