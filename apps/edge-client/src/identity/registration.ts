import { decodeBase64url, handleSchema, type Handle, type UserId } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { edgeError } from '../errors.ts';
import { askChallenge, makeProof } from '../signalling/proof.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { tokenRecord } from './access-token.ts';
import { selfNamedUserId } from './device-list-chain.ts';
import { makeFirstList } from './device-list-maker.ts';
import type { AccountDraft, Identity } from './identity.ts';
import { solvePuzzle, type PuzzleOptions } from './puzzle-solver.ts';

/** Options of an open registration. */
export interface RegisterOptions extends PuzzleOptions {
  readonly handle: string;
  readonly displayName?: string;
}

/** What a new account gets. The recovery code is shown this once and kept nowhere. */
export interface Registration {
  readonly userId: UserId;
  readonly handle: Handle;
  readonly recoveryCode: string;
}

/**
 * Open registration: puzzle, first device list, handle. When the answer got lost it may be called again: the same list is
 * sent once more, and taken as a repetition where it was committed.
 *
 * @throws HANDLE_TAKEN, EDGE_ALREADY_REGISTERED, EDGE_ABORTED
 */
export async function register(
  identity: Identity,
  request: SendRequest,
  clock: ClientClock,
  options: RegisterOptions,
): Promise<Registration> {
  if (identity.account) throw edgeError('EDGE_ALREADY_REGISTERED');
  const handle = parseHandle(options.handle);
  const puzzle = await request('register.puzzle', { tenant: identity.tenant });
  const challenge = decodeBase64url(puzzle.challenge);
  if (!challenge) throw edgeError('EDGE_PROTOCOL_VIOLATION');
  const solution = await solvePuzzle(challenge, puzzle.difficultyBits, options);
  const { userId, signed, pin, recoveryCode } = await firstList(identity, clock);
  const reply = await request('register', {
    puzzle: { challenge: puzzle.challenge, solution: Buffer.from(solution).toString('base64url') },
    // The nonce of the proof lives shorter than a hard puzzle may take, so it is asked for afterwards.
    proof: makeProof({
      purpose: 'register',
      challenge: await askChallenge(request),
      tenant: identity.tenant,
      key: identity.deviceKey,
    }),
    handle,
    ...(options.displayName === undefined ? {} : { displayName: options.displayName }),
    deviceList: signed,
  });
  if (reply.userId !== userId) throw edgeError('EDGE_PROTOCOL_VIOLATION');
  await identity.setAccount({
    userId,
    handle,
    pin,
    token: tokenRecord(reply.token, reply.expiresInMs, clock),
  });
  return { userId, handle, recoveryCode };
}

/**
 * The first list of an account, made once: saved before it is sent, because an account that the supernode has committed
 * must not be lost with the answer. For the user of an app, `userId` is given; else the list names itself.
 */
export async function firstList(
  identity: Identity,
  clock: ClientClock,
  userId?: UserId,
): Promise<AccountDraft> {
  const { draft } = identity;
  const isSame = draft?.pin.version === 1 && draft.userId === (userId ?? selfNamed(draft));
  if (draft && isSame) return draft;
  const made = makeFirstList(identity, clock.wall(), userId);
  await identity.setDraft(made);
  return made;
}

function selfNamed({ pin }: AccountDraft): UserId | undefined {
  const rootKey = decodeBase64url(pin.rootKey);
  return rootKey && selfNamedUserId(rootKey);
}

function parseHandle(text: string): Handle {
  const handle = handleSchema.safeParse(text);
  if (!handle.success) throw edgeError('EDGE_OPTIONS_INVALID', { message: 'This is not a usable handle.' });
  return handle.data;
}
