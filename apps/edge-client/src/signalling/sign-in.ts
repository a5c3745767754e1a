import { WIRE_ERRORS, type Signed, type Welcome, type WireErrorCode } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { edgeError, EdgeClientError, errorFromWire } from '../errors.ts';
import type { AccessToken } from '../identity/access-token.ts';
import { findDevice } from '../identity/device-list-chain.ts';
import type { DeviceTrust } from '../identity/device-trust.ts';
import type { Identity } from '../identity/identity.ts';
import { firstList } from '../identity/registration.ts';
import type { EventSequence } from './event-sequence.ts';
import { askChallenge, makeProof, type Challenge } from './proof.ts';
import type { SendRequest } from './signalling.ts';

export interface SignInResult {
  readonly welcome: Welcome;
  /** The connection was taken up again; else it is a fresh sign-in. */
  readonly resumed: boolean;
  /** False: events were lost, all state is read anew. */
  readonly recovered: boolean;
  /** Number of the newest event that is replayed after this; 0: none is. */
  readonly newestSequence: number;
}

/** The account of an app's own user was created on the first sign-in; the code is shown this once. */
export type OnRecoveryCode = (code: string) => void;

/** Signs the device in on a fresh channel: by resuming if it can, else by its access token (DESIGN 6.1). */
export class SignIn {
  readonly #identity: Identity;
  readonly #token: AccessToken;
  readonly #trust: DeviceTrust;
  readonly #clock: ClientClock;
  readonly #onRecoveryCode: OnRecoveryCode;
  #resumeToken: string | undefined;

  constructor(
    identity: Identity,
    token: AccessToken,
    trust: DeviceTrust,
    clock: ClientClock,
    onRecoveryCode: OnRecoveryCode,
  ) {
    this.#identity = identity;
    this.#token = token;
    this.#trust = trust;
    this.#clock = clock;
    this.#onRecoveryCode = onRecoveryCode;
  }

  /** After a sign-off nothing can be resumed. */
  forgetResume(): void {
    this.#resumeToken = undefined;
  }

  async run(request: SendRequest, sequence: EventSequence): Promise<SignInResult> {
    const resumed = await this.#resume(request, sequence);
    const result = resumed ?? (await this.#authenticate(request, sequence));
    this.#resumeToken = result.welcome.resume.token;
    return { ...result, welcome: await this.#checkAccount(result.welcome, request) };
  }

  async #resume(request: SendRequest, sequence: EventSequence): Promise<SignInResult | undefined> {
    const token = this.#resumeToken;
    if (token === undefined) return undefined;
    const proof = await this.#prove(request, 'resume', token);
    try {
      sequence.resuming();
      const { recovered, newestSequence, ...welcome } = await request('resume', {
        token,
        proof,
        lastSequence: sequence.last,
      });
      const isComplete = sequence.resumed(recovered, newestSequence);
      // The newest may be among those that were lost: what is read anew has caught up by itself.
      const newest = isComplete ? newestSequence : undefined;
      return { welcome, resumed: true, recovered: isComplete, newestSequence: newest ?? 0 };
    } catch (thrown) {
      if (!hasCode(thrown, 'RESUME_REFUSED')) throw thrown;
      this.#resumeToken = undefined;
      return undefined;
    }
  }

  async #authenticate(request: SendRequest, sequence: EventSequence): Promise<SignInResult> {
    sequence.reset();
    const token = await this.#token.current(request);
    try {
      return await this.#present(request, token);
    } catch (thrown) {
      if (!hasCode(thrown, 'TOKEN_EXPIRED')) throw thrown;
      return this.#present(request, await this.#token.renew(request));
    }
  }

  async #present(request: SendRequest, token: string): Promise<SignInResult> {
    const proof = await this.#prove(request, 'authenticate', token);
    const welcome = await request('authenticate', { token, proof });
    return { welcome, resumed: false, recovered: false, newestSequence: 0 };
  }

  async #prove(request: SendRequest, purpose: 'authenticate' | 'resume', token: string) {
    const challenge = await askChallenge(request);
    await this.#checkCluster(challenge);
    return makeProof({
      purpose,
      challenge,
      tenant: this.#identity.tenant,
      key: this.#identity.deviceKey,
      token,
    });
  }

  /** An account lives in one cluster: a supernode of another one must not even learn a token. */
  async #checkCluster(challenge: Challenge): Promise<void> {
    const { hosts } = this.#identity;
    if (hosts.clusterId === challenge.clusterId) return;
    if (hosts.clusterId !== null) throw edgeError('EDGE_CLUSTER_MISMATCH');
    await this.#identity.updateHosts({ clusterId: challenge.clusterId });
  }

  async #checkAccount(welcome: Welcome, request: SendRequest): Promise<Welcome> {
    const { account, deviceId, tenant } = this.#identity;
    if (welcome.deviceId !== deviceId || welcome.tenant !== tenant)
      throw edgeError('EDGE_PROTOCOL_VIOLATION');
    if (!account) return this.#adoptAccount(welcome, request);
    if (welcome.userId !== account.userId) throw edgeError('EDGE_IDENTITY_MISMATCH');
    if (welcome.deviceListVersion < account.pin.version) throw edgeError('EDGE_DEVICE_LIST_ROLLBACK');
    const pin =
      welcome.deviceListVersion > account.pin.version
        ? await this.#trust.refresh(account.userId, request)
        : account.pin;
    if (!findDevice(pin, deviceId)) throw refusal('DEVICE_REMOVED');
    if (!welcome.linked) throw refusal('DEVICE_NOT_LINKED');
    if (welcome.handle !== account.handle) await this.#identity.updateAccount({ handle: welcome.handle });
    return welcome;
  }

  /** The first sign-in of a user whose tokens come from the app's backend. */
  async #adoptAccount(welcome: Welcome, request: SendRequest): Promise<Welcome> {
    // There may be a list of ours already: the answer to it got lost, and it is sent again as it is.
    const isOurs = this.#identity.draft?.userId === welcome.userId;
    if (welcome.deviceListVersion > 0 && !isOurs) throw refusal('DEVICE_NOT_LINKED');
    const { signed, pin, recoveryCode } = await firstList(this.#identity, this.#clock, welcome.userId);
    await this.#create(signed, request);
    await this.#identity.setAccount({ userId: welcome.userId, handle: welcome.handle, pin, token: null });
    this.#onRecoveryCode(recoveryCode);
    if (welcome.deviceListVersion > pin.version) return this.#checkAccount(welcome, request);
    // Relays are for linked devices only, and this one became linked just now.
    const [relay, flow] = await Promise.all([askRelay(request), askFlow(request)]);
    return { ...welcome, linked: true, deviceListVersion: 1, relay, flow };
  }

  async #create(deviceList: Signed, request: SendRequest): Promise<void> {
    try {
      await request('account.create', { deviceList });
    } catch (thrown) {
      // Another device of the user was first.
      throw hasCode(thrown, 'ACCOUNT_EXISTS') ? refusal('DEVICE_NOT_LINKED') : thrown;
    }
  }
}

async function askRelay(request: SendRequest): Promise<Welcome['relay']> {
  try {
    return await request('relay.renew', {});
  } catch (thrown) {
    if (hasCode(thrown, 'RELAY_UNAVAILABLE')) return null;
    throw thrown;
  }
}

async function askFlow(request: SendRequest): Promise<Welcome['flow']> {
  try {
    return await request('flow.open', {});
  } catch (thrown) {
    // A supernode without registered flows relays by TURN.
    if (hasCode(thrown, 'RELAY_UNAVAILABLE') || hasCode(thrown, 'UNKNOWN_EVENT')) return null;
    throw thrown;
  }
}

function refusal(code: WireErrorCode): EdgeClientError {
  return errorFromWire({ code, message: WIRE_ERRORS[code].doc, retryable: WIRE_ERRORS[code].retryable });
}

function hasCode(thrown: unknown, code: WireErrorCode): boolean {
  return thrown instanceof EdgeClientError && thrown.code === code;
}
