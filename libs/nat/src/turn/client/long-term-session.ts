import type { NatCrypto } from '../../crypto/crypto.port.ts';
import {
  PasswordAlgorithm,
  PasswordAlgorithmNumber,
  PasswordAlgorithms,
  type PasswordAlgorithmValue,
} from '../../stun/attributes/password-algorithm.ts';
import { MessageIntegrity, MessageIntegritySha256 } from '../../stun/attributes/opaque.ts';
import { Nonce, Realm, Username } from '../../stun/attributes/text.ts';
import { longTermKey } from '../../stun/credentials.ts';
import { verifyMessageIntegrity, verifyMessageIntegritySha256 } from '../../stun/integrity.ts';
import type { StunMessageBuilder } from '../../stun/message-builder.ts';
import type { StunMessage } from '../../stun/message.ts';
import { decodeNonceCookie } from '../../stun/nonce-cookie.ts';
import type { TurnCredential } from '../credentials.ts';

/** What one request was protected with; its response must be protected with the same. */
export interface IntegrityKey {
  readonly key: Uint8Array;
  readonly isSha256: boolean;
}

interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  /** Returned to the server exactly as received (RFC 8489 section 9.2.3.2). */
  readonly algorithms: readonly PasswordAlgorithmValue[] | undefined;
  readonly algorithm: PasswordAlgorithmValue | undefined;
}

/** The client's side of the long-term credential mechanism (RFC 8489 section 9.2). */
export class LongTermSession {
  private readonly crypto: NatCrypto;
  private credential: TurnCredential;
  private challenge: Challenge | undefined;
  private integrity: IntegrityKey | undefined;

  constructor(crypto: NatCrypto, credential: TurnCredential) {
    this.crypto = crypto;
    this.credential = credential;
  }

  replaceCredential(credential: TurnCredential): void {
    this.credential = credential;
    this.integrity = undefined;
  }

  /** Takes realm, nonce and algorithms of a 401 or 438 response. */
  accept(response: StunMessage): 'accepted' | 'invalid' | 'bid-down' {
    const realm = response.get(Realm) ?? this.challenge?.realm;
    const nonce = response.get(Nonce);
    if (realm === undefined || nonce === undefined) return 'invalid';
    const algorithms = response.get(PasswordAlgorithms);
    if (algorithms === undefined && decodeNonceCookie(nonce)?.passwordAlgorithms === true) return 'bid-down';
    const algorithm = chooseAlgorithm(algorithms);
    if (algorithms !== undefined && algorithm === undefined) return 'invalid';
    this.challenge = { realm, nonce, algorithms: algorithms?.map(copyAlgorithm), algorithm };
    this.integrity = undefined;
    return 'accepted';
  }

  /** Adds the credential and closes the message; without a challenge so far it stays bare and provokes one. */
  seal(builder: StunMessageBuilder): IntegrityKey | undefined {
    const { challenge } = this;
    if (challenge === undefined) return undefined;
    builder.add(Username, this.credential.username).add(Realm, challenge.realm).add(Nonce, challenge.nonce);
    if (challenge.algorithms !== undefined && challenge.algorithm !== undefined) {
      builder.add(PasswordAlgorithms, challenge.algorithms).add(PasswordAlgorithm, challenge.algorithm);
    }
    this.integrity ??= this.deriveKey(challenge);
    if (this.integrity.isSha256) builder.addMessageIntegritySha256(this.crypto, this.integrity.key);
    else builder.addMessageIntegrity(this.crypto, this.integrity.key);
    return this.integrity;
  }

  verify(response: StunMessage, integrity: IntegrityKey): 'valid' | 'absent' | 'wrong' {
    const { key, isSha256 } = integrity;
    if (!response.has(isSha256 ? MessageIntegritySha256 : MessageIntegrity)) return 'absent';
    const verify = isSha256 ? verifyMessageIntegritySha256 : verifyMessageIntegrity;
    return verify(response, this.crypto, key) ? 'valid' : 'wrong';
  }

  private deriveKey({ realm, algorithms, algorithm }: Challenge): IntegrityKey {
    const isSha256Key = algorithm?.algorithm === PasswordAlgorithmNumber.SHA_256;
    const key = longTermKey(this.crypto, { ...this.credential, realm }, isSha256Key ? 'sha-256' : 'md5');
    // A server that lists algorithms is of RFC 8489 and is sent MESSAGE-INTEGRITY-SHA256 only (section 9.2.3.2).
    return { key, isSha256: algorithms !== undefined };
  }
}

function chooseAlgorithm(
  offered: readonly PasswordAlgorithmValue[] | undefined,
): PasswordAlgorithmValue | undefined {
  const find = (number: number): PasswordAlgorithmValue | undefined =>
    offered?.find((entry) => entry.algorithm === number);
  const chosen = find(PasswordAlgorithmNumber.SHA_256) ?? find(PasswordAlgorithmNumber.MD5);
  return chosen === undefined ? undefined : copyAlgorithm(chosen);
}

function copyAlgorithm({ algorithm, parameters }: PasswordAlgorithmValue): PasswordAlgorithmValue {
  return { algorithm, parameters: parameters.slice() };
}
