import type { NatCrypto } from '../../crypto/crypto.port.ts';
import type { FiveTuple } from '../../net/five-tuple.ts';
import { MessageIntegrity, MessageIntegritySha256, Userhash } from '../../stun/attributes/opaque.ts';
import {
  PasswordAlgorithm,
  PasswordAlgorithmNumber,
  PasswordAlgorithms,
  type PasswordAlgorithmValue,
} from '../../stun/attributes/password-algorithm.ts';
import { Nonce, Realm, Username } from '../../stun/attributes/text.ts';
import { longTermKey, type LongTermKeyAlgorithm } from '../../stun/credentials.ts';
import { StunErrorCode } from '../../stun/error-code.ts';
import { verifyMessageIntegrity, verifyMessageIntegritySha256 } from '../../stun/integrity.ts';
import type { StunMessageBuilder } from '../../stun/message-builder.ts';
import type { StunMessage } from '../../stun/message.ts';
import type { Instant } from '../../time/instant.ts';
import type { CredentialAuthority, CredentialExpiry } from './credential-authority.ts';
import type { NonceIssuer } from './nonce.ts';

/** Who sent a request, proven, and what its response must be protected with. */
export interface Authentication {
  readonly credentialId: string;
  readonly expiry: CredentialExpiry;
  readonly key: Uint8Array;
  readonly isSha256: boolean;
}

export type AuthenticationResult =
  | { readonly ok: true; readonly authentication: Authentication }
  /** 401 and 438 carry a challenge, 400 does not. */
  | { readonly ok: false; readonly code: 400 | 401 | 438 };

/** Both are offered; SHA-256 first because the order states the preference (RFC 8489 section 14.11). */
const OFFERED: readonly PasswordAlgorithmValue[] = [
  { algorithm: PasswordAlgorithmNumber.SHA_256, parameters: new Uint8Array() },
  { algorithm: PasswordAlgorithmNumber.MD5, parameters: new Uint8Array() },
];

/** The server's side of the long-term credential mechanism (RFC 8489 section 9.2.4), without state per client. */
export class RequestAuthenticator {
  private readonly crypto: NatCrypto;
  private readonly realm: string;
  private readonly nonces: NonceIssuer;
  private readonly authority: CredentialAuthority;

  constructor(crypto: NatCrypto, realm: string, nonces: NonceIssuer, authority: CredentialAuthority) {
    this.crypto = crypto;
    this.realm = realm;
    this.nonces = nonces;
    this.authority = authority;
  }

  authenticate(message: StunMessage, tuple: FiveTuple, now: Instant): AuthenticationResult {
    const isSha256 = message.has(MessageIntegritySha256);
    if (!isSha256 && !message.has(MessageIntegrity)) return refused(StunErrorCode.UNAUTHENTICATED);

    const username = message.read(Username);
    const realm = message.get(Realm);
    const nonce = message.get(Nonce);
    // USERHASH stands for a table of users, which time-limited usernames make needless: it is not offered, so never valid.
    if (!username.ok && message.has(Userhash)) return refused(StunErrorCode.UNAUTHENTICATED);
    if (!username.ok || realm === undefined || nonce === undefined) return refused(StunErrorCode.BAD_REQUEST);

    // The nonce comes before the password: it costs one HMAC and proves that the source can receive.
    if (this.nonces.verify(nonce, tuple, now) !== 'valid') return refused(StunErrorCode.STALE_NONCE);

    const algorithm = negotiatedAlgorithm(message);
    if (algorithm === undefined) return refused(StunErrorCode.BAD_REQUEST);

    const claim = realm === this.realm ? this.authority.claimOf(username.value, now) : undefined;
    if (claim === undefined) return refused(StunErrorCode.UNAUTHENTICATED);
    const verify = isSha256 ? verifyMessageIntegritySha256 : verifyMessageIntegrity;
    for (const password of claim.passwords) {
      const key = longTermKey(this.crypto, { username: username.value, realm, password }, algorithm);
      if (!verify(message, this.crypto, key)) continue;
      const { credentialId, expiry } = claim;
      return { ok: true, authentication: { credentialId, expiry, key, isSha256 } };
    }
    return refused(StunErrorCode.UNAUTHENTICATED);
  }

  /** What a 401 or 438 response carries. */
  addChallenge(builder: StunMessageBuilder, tuple: FiveTuple, now: Instant): StunMessageBuilder {
    return builder
      .add(Realm, this.realm)
      .add(Nonce, this.nonces.issue(tuple, now))
      .add(PasswordAlgorithms, OFFERED);
  }

  seal(builder: StunMessageBuilder, { key, isSha256 }: Authentication): StunMessageBuilder {
    return isSha256
      ? builder.addMessageIntegritySha256(this.crypto, key)
      : builder.addMessageIntegrity(this.crypto, key);
  }
}

/**
 * RFC 8489 section 9.2.4: with neither attribute the client is of RFC 5389; otherwise it must return the list exactly as
 * sent, so that nobody on the way can have taken the better algorithm out, and choose from it.
 */
function negotiatedAlgorithm(message: StunMessage): LongTermKeyAlgorithm | undefined {
  if (!message.has(PasswordAlgorithms) && !message.has(PasswordAlgorithm)) return 'md5';
  const returned = message.get(PasswordAlgorithms);
  const chosen = message.get(PasswordAlgorithm);
  if (returned?.length !== OFFERED.length || chosen === undefined) return undefined;
  if (!OFFERED.every((entry, index) => isSame(entry, returned[index]))) return undefined;
  if (!OFFERED.some((entry) => isSame(entry, chosen))) return undefined;
  return chosen.algorithm === PasswordAlgorithmNumber.SHA_256 ? 'sha-256' : 'md5';
}

function isSame(offered: PasswordAlgorithmValue, received: PasswordAlgorithmValue | undefined): boolean {
  return received?.algorithm === offered.algorithm && received.parameters.length === 0;
}

function refused(code: 400 | 401 | 438): AuthenticationResult {
  return { ok: false, code };
}
