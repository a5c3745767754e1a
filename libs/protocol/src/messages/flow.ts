import { z } from 'zod';
import { fixedBytesSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';

/** Who a device is to the UDP port of its supernode: it registers there with frames under this key (DESIGN 6.3). */
export const flowCredentialsSchema = z.object({
  id: fixedBytesSchema(8),
  key: fixedBytesSchema(32),
  /** Transport addresses as `host:port` that take registrations and relay. */
  servers: z.array(z.string().max(256)).min(1).max(8),
});
/** For a device that became linked after its sign-in, whose welcome had none. Gives the flow that the device has, if any. */
export const flowOpen = { request: z.object({}), response: flowCredentialsSchema };
export type FlowCredentials = z.infer<typeof flowCredentialsSchema>;

/** A relay between the registered flows of the two devices of a session; opened by the accepted answer. */
export const relayPairSchema = z.object({ id: fixedBytesSchema(8) });
export type RelayPairToken = z.infer<typeof relayPairSchema>;

/** IP addresses at which the supernode observes the flow of a peer. Told to whom the peer may tell them itself. */
export const observedAddressesSchema = z
  .array(z.union([z.ipv4(), z.ipv6()]))
  .max(LIMITS.maxObservedAddresses);
