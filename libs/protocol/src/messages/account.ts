import { z } from 'zod';
import {
  bytesSchema,
  deviceIdSchema,
  digestSchema,
  handleSchema,
  tenantIdSchema,
  userIdSchema,
} from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { signedHomesSchema } from '../signed/homes.ts';
import { signedSchema } from '../signed/signed.ts';
import { flowCredentialsSchema } from './flow.ts';
import { relayCredentialsSchema } from './relay.ts';

const tokenSchema = z.string().min(1).max(LIMITS.maxTokenBytes);

export const challenge = {
  request: z.object({ versions: z.array(z.number().int()).min(1).max(16) }),
  response: z.object({
    version: z.number().int(),
    clusterId: z.string().max(64),
    serverId: z.string().max(64),
    nonce: bytesSchema(32, 16),
    expiresInMs: z.number().int().positive(),
  }),
};

/** Everything a signed-in device needs to know about its supernode. */
export const welcomeSchema = z.object({
  tenant: tenantIdSchema,
  userId: userIdSchema,
  deviceId: deviceIdSchema,
  handle: handleSchema.nullable(),
  /** False until the user has a device list that names this device; then only `account.*` and `link.*` are served. */
  linked: z.boolean(),
  deviceListVersion: z.number().int().nonnegative(),
  resume: z.object({ token: tokenSchema, windowMs: z.number().int().positive() }),
  /** Transport addresses as `host:port` that answer STUN over UDP. */
  stunServers: z.array(z.string().max(256)).max(8),
  relay: relayCredentialsSchema.nullable(),
  /** Not there, or null, where the supernode has no registered flows. A resume gives the same one again. */
  flow: flowCredentialsSchema.nullable().optional(),
  /** The user's homes, for the client's host cache. Not there, or null, where the supernode is alone. */
  homes: signedHomesSchema.nullable().optional(),
  serverTime: z.number().int(),
});
export type Welcome = z.infer<typeof welcomeSchema>;

export const authenticate = {
  request: z.object({ token: tokenSchema, proof: signedSchema }),
  response: welcomeSchema,
};

/** Takes a broken connection up again. `recovered: false` means events were lost: the client reads all state anew. */
export const resume = {
  request: z.object({
    token: tokenSchema,
    proof: signedSchema,
    lastSequence: z.number().int().nonnegative(),
  }),
  response: welcomeSchema.extend({
    recovered: z.boolean(),
    /** Of the newest event that follows as a replay: before it came, the client has not caught up. */
    newestSequence: z.number().int().nonnegative().optional(),
  }),
};

export const registerPuzzle = {
  request: z.object({ tenant: tenantIdSchema }),
  response: z.object({
    challenge: bytesSchema(64, 16),
    difficultyBits: z.number().int().min(0).max(LIMITS.maxPuzzleDifficultyBits),
    expiresInMs: z.number().int().positive(),
  }),
};

export const puzzleSolutionSchema = z.object({
  challenge: bytesSchema(64, 16),
  solution: bytesSchema(16, 1),
});

/** Open registration: the account's first device list, a handle, and a solved puzzle; gives the first access token. */
export const register = {
  request: z.object({
    puzzle: puzzleSolutionSchema,
    proof: signedSchema,
    handle: handleSchema,
    displayName: z.string().min(1).max(LIMITS.maxDisplayNameLength).optional(),
    deviceList: signedSchema,
  }),
  response: z.object({ userId: userIdSchema, token: tokenSchema, expiresInMs: z.number().int().positive() }),
};

/** A new access token for a listed device of an account that came by open registration. */
export const tokenRenew = {
  request: z.object({ userId: userIdSchema, proof: signedSchema }),
  response: z.object({ token: tokenSchema, expiresInMs: z.number().int().positive() }),
};

/** The first device list of a user whose token came from the app's own backend. */
export const accountCreate = {
  request: z.object({
    deviceList: signedSchema,
    handle: handleSchema.optional(),
    displayName: z.string().min(1).max(LIMITS.maxDisplayNameLength).optional(),
  }),
  response: z.object({ deviceListVersion: z.number().int().positive() }),
};

/** Adds or removes devices, or changes the recovery key: the next version of the list, signed by a device of the last. */
export const accountUpdateDevices = {
  request: z.object({ deviceList: signedSchema }),
  response: z.object({ deviceListVersion: z.number().int().positive() }),
};

/** The chain of device lists of a user after `sinceVersion`, oldest first; `complete` is false when there are more. */
export const accountDevices = {
  request: z.object({ userId: userIdSchema, sinceVersion: z.number().int().nonnegative() }),
  response: z.object({
    lists: z.array(signedSchema).max(LIMITS.maxDeviceListsPerAnswer),
    complete: z.boolean(),
  }),
};

/**
 * The chain of a user who lost every device, so that the recovering device can sign its successor. The proof has the
 * purpose `recover` and is signed by the recovery key (which is then its `deviceKey`): whoever lacks that key learns
 * nothing, not even whether the user exists.
 */
export const accountRecoveryLists = {
  request: z.object({
    userId: userIdSchema,
    proof: signedSchema,
    sinceVersion: z.number().int().nonnegative(),
  }),
  response: accountDevices.response,
};

/** A new device waits to be linked. It shows the user a code that holds its key and a secret the supernode never sees. */
export const linkOpen = {
  request: z.object({ proof: signedSchema, name: z.string().min(1).max(LIMITS.maxDeviceNameLength) }),
  response: z.object({ expiresInMs: z.number().int().positive() }),
};

/**
 * A device of the account adds the waiting one. `confirmation` is HMAC-SHA-256, keyed by the secret of the code, over
 * the SHA-256 of the new list's payload: it proves to the new device which account it joined.
 */
export const linkApprove = {
  request: z.object({ deviceId: deviceIdSchema, deviceList: signedSchema, confirmation: digestSchema }),
  response: z.object({ deviceListVersion: z.number().int().positive() }),
};

/** A new device takes an account over with its recovery key: the list is signed by that key. */
export const accountRecover = {
  request: z.object({ userId: userIdSchema, proof: signedSchema, deviceList: signedSchema }),
  response: z.object({
    token: tokenSchema,
    expiresInMs: z.number().int().positive(),
    deviceListVersion: z.number().int().positive(),
  }),
};

export const linkApprovedSchema = z.object({
  tenant: tenantIdSchema,
  userId: userIdSchema,
  handle: handleSchema.nullable(),
  token: tokenSchema,
  lists: z.array(signedSchema).min(1).max(LIMITS.maxDeviceListsPerAnswer),
  confirmation: digestSchema,
});

export const deviceListChangedSchema = z.object({
  userId: userIdSchema,
  version: z.number().int().positive(),
});
