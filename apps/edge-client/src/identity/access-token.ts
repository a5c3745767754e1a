import { edgeError, EdgeClientError } from '../errors.ts';
import type { ClientClock } from '../client/client-clock.ts';
import { askChallenge, makeProof } from '../signalling/proof.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import type { Identity } from './identity.ts';

/** A token as an account record keeps it: renewed when half of its life is over. */
export function tokenRecord(value: string, expiresInMs: number | undefined, clock: ClientClock) {
  return { value, renewAt: expiresInMs === undefined ? null : clock.wall() + expiresInMs / 2 };
}

/** Where access tokens come from: the app's backend, or the supernode that registered the account. */
export class AccessToken {
  readonly #identity: Identity;
  readonly #clock: ClientClock;
  readonly #fromApp: (() => Promise<string>) | undefined;

  constructor(identity: Identity, clock: ClientClock, fromApp: (() => Promise<string>) | undefined) {
    this.#identity = identity;
    this.#clock = clock;
    this.#fromApp = fromApp;
  }

  /** @throws EDGE_NOT_REGISTERED, what the app's callback throws, or the supernode's refusal to renew */
  async current(request: SendRequest): Promise<string> {
    if (this.#fromApp) return this.#fromApp();
    const { token } = this.#identity.requireAccount();
    if (!token) return this.renew(request);
    if (token.renewAt === null || this.#clock.wall() < token.renewAt) return token.value;
    try {
      return await this.renew(request);
    } catch (thrown) {
      // Only its half-life is over: a supernode that cannot issue tokens now still takes the old one.
      if (thrown instanceof EdgeClientError && thrown.retryable) return token.value;
      throw thrown;
    }
  }

  /** A token in place of one that was refused as expired. */
  async renew(request: SendRequest): Promise<string> {
    if (this.#fromApp) return this.#fromApp();
    const account = this.#identity.account;
    if (!account) throw edgeError('EDGE_NOT_REGISTERED');
    const proof = makeProof({
      purpose: 'renew',
      challenge: await askChallenge(request),
      tenant: this.#identity.tenant,
      key: this.#identity.deviceKey,
    });
    const { token, expiresInMs } = await request('token.renew', { userId: account.userId, proof });
    await this.#identity.updateAccount({ token: tokenRecord(token, expiresInMs, this.#clock) });
    return token;
  }
}
