/**
 * What the SDK remembers of itself, in three documents of one folder. Each file is
 * `{format, version, sha256, body}`: the digest is over the JSON text of `body`, so damage is told from a newer layout.
 */
import { createHash } from 'node:crypto';
import {
  deviceIdSchema,
  handleSchema,
  LIMITS,
  tenantIdSchema,
  userIdSchema,
  deviceListSchema,
  signedSchema,
} from '@parley/protocol';
import { z } from 'zod';
import { edgeError } from '../errors.ts';

/** Raised when a document changes in a way that an older SDK would misread. */
export const IDENTITY_FORMAT_VERSION = 1;

const keyPairSchema = z.object({ public: z.string().length(43), private: z.string().length(43) });

const pinSchema = z.object({
  rootKey: z.string().length(43),
  version: z.number().int().positive(),
  hash: z.string().length(43),
  recoveryKey: z.string().length(43),
  devices: deviceListSchema.shape.devices,
});

const accountSchema = z.object({
  userId: userIdSchema,
  handle: handleSchema.nullable(),
  /** Present where the account came by open registration, linking or recovery; else the app gives tokens. */
  token: z.object({ value: z.string(), renewAt: z.number().nullable() }).nullable(),
  /** The own device list as last verified: what the next version is signed on top of. */
  pin: pinSchema,
});

/**
 * A list that makes or recovers an account and of which it is not known whether the supernode has committed it: an answer
 * that got lost, or a crash in between, must not cost the account.
 */
const draftSchema = z.object({
  userId: userIdSchema,
  signed: signedSchema,
  pin: pinSchema,
  /** Kept until the app has been given it, which is when the list is confirmed; then nowhere. */
  recoveryCode: z.string(),
});

export const identityDocumentSchema = z.object({
  tenant: tenantIdSchema,
  deviceId: deviceIdSchema,
  deviceName: z.string().min(1),
  deviceKey: keyPairSchema,
  agreementKey: keyPairSchema,
  createdAt: z.number(),
  account: accountSchema.nullable(),
  draft: draftSchema.optional(),
});
/** Who this device is. The private keys never leave the store. */
export type IdentityDocument = z.infer<typeof identityDocumentSchema>;
export type AccountRecord = z.infer<typeof accountSchema>;
export type DraftRecord = z.infer<typeof draftSchema>;

/** Verified device lists of other users, by user id. */
export const pinsDocumentSchema = z.object({ pins: z.record(z.string(), pinSchema) });

/** Supernodes to try when the configured one is away, and the cluster they belong to: the host cache. */
export const hostsDocumentSchema = z.object({
  clusterId: z.string().nullable(),
  alternates: z.array(z.string().max(256)).max(16),
  /** The newest list of the user's homes, as a pinned roster key signed it. */
  homes: signedSchema.nullable().default(null),
  /** Pinned on first use; replaced by a list that one of them signed. */
  rosterKeys: z.array(z.string().length(43)).max(LIMITS.maxRosterKeys).default([]),
  /** The highest that was seen: a list of an older roster is refused. */
  rosterEpoch: z.number().int().nonnegative().default(0),
});
export type HostsDocument = z.infer<typeof hostsDocumentSchema>;

export const DOCUMENTS = {
  identity: identityDocumentSchema,
  pins: pinsDocumentSchema,
  hosts: hostsDocumentSchema,
} as const;

/** The documents that an identity store keeps. */
export type DocumentName = keyof typeof DOCUMENTS;
/** What a document holds; opaque to a store. */
export type DocumentOf<Name extends DocumentName> = z.infer<(typeof DOCUMENTS)[Name]>;

const envelopeSchema = z.object({
  format: z.string(),
  version: z.number().int().positive(),
  sha256: z.string(),
  body: z.unknown(),
});

export function encodeDocument<Name extends DocumentName>(name: Name, body: DocumentOf<Name>): string {
  const envelope = {
    format: formatOf(name),
    version: IDENTITY_FORMAT_VERSION,
    sha256: digest(JSON.stringify(body)),
    body,
  };
  return `${JSON.stringify(envelope, undefined, 2)}\n`;
}

/** @throws EDGE_IDENTITY_NEWER, EDGE_IDENTITY_CORRUPTED */
export function decodeDocument<Name extends DocumentName>(name: Name, text: string): DocumentOf<Name> {
  const envelope = envelopeSchema.safeParse(parseJson(text));
  if (!envelope.success || envelope.data.format !== formatOf(name)) throw corrupted(name);
  if (envelope.data.version > IDENTITY_FORMAT_VERSION) throw edgeError('EDGE_IDENTITY_NEWER');
  if (digest(JSON.stringify(envelope.data.body)) !== envelope.data.sha256) throw corrupted(name);
  const body = DOCUMENTS[name].safeParse(envelope.data.body);
  if (!body.success) throw corrupted(name);
  return body.data as DocumentOf<Name>;
}

function formatOf(name: DocumentName): string {
  return `parley-${name}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function corrupted(name: DocumentName) {
  return edgeError('EDGE_IDENTITY_CORRUPTED', {
    message: `The document "${name}" of the identity folder is damaged; nothing was overwritten.`,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
