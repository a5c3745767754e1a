import { z } from 'zod';
import { digestSchema, publicKeySchema, tenantIdSchema, timeSchema, userIdSchema } from '../ids.ts';
import { LIMITS } from '../limits.ts';

export const listedDeviceSchema = z.object({
  /** Ed25519: the device's identity; its SHA-256 is the device id. */
  key: publicKeySchema,
  /** X25519, for messages sealed to this device. */
  agreementKey: publicKeySchema,
  name: z.string().min(1).max(LIMITS.maxDeviceNameLength),
  addedAt: timeSchema,
});

export type ListedDevice = z.infer<typeof listedDeviceSchema>;

/**
 * One version of a user's device list (context `deviceList`). Version 1 is signed by the root key; every later one by a
 * device of the version before it, or by the recovery key that the version before it names. `previous` is the SHA-256
 * of the payload bytes of the version before, so that the lists form one chain.
 */
export const deviceListSchema = z.object({
  tenant: tenantIdSchema,
  userId: userIdSchema,
  version: z.number().int().positive(),
  previous: digestSchema.nullable(),
  rootKey: publicKeySchema,
  recoveryKey: publicKeySchema,
  devices: z.array(listedDeviceSchema).min(1).max(LIMITS.maxDevicesPerUser),
  issuedAt: timeSchema,
});

export type DeviceList = z.infer<typeof deviceListSchema>;
