import { decodeBase64url, handleSchema, type Handle, type UserId } from '@parley/protocol';
import type { ClientClock } from '../client/client-clock.ts';
import { edgeError } from '../errors.ts';
import { askChallenge, makeProof } from '../signalling/proof.ts';
import type { SendRequest } from '../signalling/signalling.ts';
import { tokenRecord } from './access-token.ts';
import { makeFirstList } from './device-list-maker.ts';
import type { Identity } from './identity.ts';
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

/** Open registration: puzzle, first device list, handle. @throws HANDLE_TAKEN, EDGE_ALREADY_REGISTERED, EDGE_ABORTED */
export async function register(
  identity: Identity,
  request: SendRequest,
  clock: ClientClock,
  options: RegisterOptions,
): Promise<Registration> {
  if (identity.account?.token) throw edgeError('EDGE_ALREADY_REGISTERED');
  const handle = parseHandle(options.handle);
  const puzzle = await request('register.puzzle', { tenant: identity.tenant });
  const challenge = decodeBase64url(puzzle.challenge);
  if (!challenge) throw edgeError('EDGE_PROTOCOL_VIOLATION');
  const solution = await solvePuzzle(challenge, puzzle.difficultyBits, options);
  const first = makeFirstList(identity, clock.wall());
  // Saved before it is sent: an account that the supernode has committed must not be lost to a crash in between.
  await identity.setAccount({ userId: first.userId, handle, pin: first.pin, token: null });
  try {
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
      deviceList: first.signed,
    });
    if (reply.userId !== first.userId) throw edgeError('EDGE_PROTOCOL_VIOLATION');
    await identity.updateAccount({ token: tokenRecord(reply.token, reply.expiresInMs, clock) });
    return { userId: first.userId, handle, recoveryCode: first.recoveryCode };
  } catch (thrown) {
    await identity.setAccount(undefined);
    throw thrown;
  }
}

function parseHandle(text: string): Handle {
  const handle = handleSchema.safeParse(text);
  if (!handle.success) throw edgeError('EDGE_OPTIONS_INVALID', { message: 'This is not a usable handle.' });
  return handle.data;
}
