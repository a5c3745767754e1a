import { z } from 'zod';
import { bytesSchema, digestSchema, publicKeySchema, tenantIdSchema } from '../ids.ts';

/**
 * What a device signs to prove its key on one connection to one supernode (context `authentication`). `purpose` keeps a
 * proof for one event from serving another.
 */
export const authenticationProofSchema = z.object({
  purpose: z.enum(['authenticate', 'register', 'renew', 'resume', 'link', 'recover']),
  clusterId: z.string().max(64),
  serverId: z.string().max(64),
  /** Of `challenge`, used once. */
  nonce: bytesSchema(32, 16),
  tenant: tenantIdSchema,
  /** SHA-256 of the UTF-8 token (access token or resume token), or of nothing where there is none. */
  tokenHash: digestSchema,
  deviceKey: publicKeySchema,
});

export type AuthenticationProof = z.infer<typeof authenticationProofSchema>;
