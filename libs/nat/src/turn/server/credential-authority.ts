import type { NatCrypto } from '../../crypto/crypto.port.ts';
import { after, type Instant } from '../../time/instant.ts';
import { TimerQueue } from '../../time/timer-queue.ts';
import {
  CREDENTIAL_ID_SEPARATOR,
  coveringCredentialIds,
  parseTimeLimitedUsername,
  timeLimitedPassword,
} from '../credentials.ts';

/** The tenant whose ids carry no prefix, so that any software that knows the secret can make credentials for it. */
export const DEFAULT_TENANT_REF = '';

/** When a credential ends: as its name says, which revocations are compared with, and on the clock of the core. */
export interface CredentialExpiry {
  readonly epochSeconds: number;
  readonly at: Instant;
}

/** What a username stands for, before the password is proven. */
export interface CredentialClaim {
  readonly credentialId: string;
  readonly expiry: CredentialExpiry;
  /** One per secret of the tenant, newest first. */
  readonly passwords: readonly string[];
}

/** Knows the secrets of all tenants and what was revoked; nothing is stored per credential. */
export class CredentialAuthority {
  private readonly crypto: NatCrypto;
  private readonly epochMillisAt: (now: Instant) => number;
  private readonly secrets = new Map<string, readonly string[]>();
  private readonly revokedUntil = new Map<string, number>();
  private readonly forgetting = new TimerQueue<string>();

  constructor(crypto: NatCrypto, epochMillisAt: (now: Instant) => number) {
    this.crypto = crypto;
    this.epochMillisAt = epochMillisAt;
  }

  setSecrets(tenantRef: string, secrets: readonly string[]): void {
    if (secrets.length === 0) this.secrets.delete(tenantRef);
    else this.secrets.set(tenantRef, secrets);
  }

  /** Refuses usernames of the id, and of ids below it, that expire up to `untilEpochSeconds`. */
  revoke(credentialId: string, untilEpochSeconds: number, now: Instant): void {
    const until = Math.max(untilEpochSeconds, this.revokedUntil.get(credentialId) ?? 0);
    this.revokedUntil.set(credentialId, until);
    this.forgetting.add(credentialId, this.instantOf(until + 1, now));
  }

  /** `undefined` for what is no time-limited username, of an unknown tenant, expired or revoked: all of them get 401. */
  claimOf(username: string, now: Instant): CredentialClaim | undefined {
    const parsed = parseTimeLimitedUsername(username);
    if (parsed === undefined) return undefined;
    const { credentialId, expiresAtEpochSeconds } = parsed;
    const secrets = this.secretsOf(credentialId);
    const expiresAt = this.instantOf(expiresAtEpochSeconds, now);
    if (secrets === undefined || expiresAt <= now || this.isRevoked(credentialId, expiresAtEpochSeconds))
      return undefined;
    return {
      credentialId,
      expiry: { epochSeconds: expiresAtEpochSeconds, at: expiresAt },
      passwords: secrets.map((secret) => timeLimitedPassword(this.crypto, secret, username)),
    };
  }

  /** Forgets revocations that no username can meet any more. */
  handleTimeout(now: Instant): void {
    for (let id = this.forgetting.takeDue(now); id !== undefined; id = this.forgetting.takeDue(now)) {
      const until = this.revokedUntil.get(id);
      if (until !== undefined && this.instantOf(until, now) < now) this.revokedUntil.delete(id);
    }
  }

  nextTimeoutAt(): Instant | undefined {
    return this.forgetting.nextAt();
  }

  private secretsOf(credentialId: string): readonly string[] | undefined {
    const separator = credentialId.indexOf(CREDENTIAL_ID_SEPARATOR);
    const prefix = separator <= 0 ? undefined : credentialId.slice(0, separator);
    const own = prefix === undefined ? undefined : this.secrets.get(prefix);
    return own ?? this.secrets.get(DEFAULT_TENANT_REF);
  }

  private isRevoked(credentialId: string, expiresAtEpochSeconds: number): boolean {
    if (this.revokedUntil.size === 0) return false;
    return coveringCredentialIds(credentialId).some(
      (id) => expiresAtEpochSeconds <= (this.revokedUntil.get(id) ?? -1),
    );
  }

  private instantOf(epochSeconds: number, now: Instant): Instant {
    return after(now, epochSeconds * 1000 - this.epochMillisAt(now));
  }
}
