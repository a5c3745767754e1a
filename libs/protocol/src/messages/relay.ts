import { z } from 'zod';

/** Time-limited TURN credentials (DESIGN 7). */
export const relayCredentialsSchema = z.object({
  username: z.string().max(512),
  password: z.string().max(128),
  realm: z.string().max(128),
  /** Seconds from now; the client renews at half of it. */
  ttlSeconds: z.number().int().positive(),
  /** `host:port` speaks TURN over UDP; other transports are URIs (RFC 7065), as `turns:host:443?transport=tcp`. */
  servers: z.array(z.string().max(256)).min(1).max(8),
  /** `host:port` of TURN over UDP at other supernodes of the cluster, where the same credentials are good: for when the first one dies, or is farther. */
  backups: z.array(z.string().max(256)).max(4).optional(),
});
export type RelayCredentials = z.infer<typeof relayCredentialsSchema>;

export const relayRenew = {
  request: z.object({}),
  response: relayCredentialsSchema,
};
