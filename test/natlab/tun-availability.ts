import { accessSync, constants } from 'node:fs';

/** Where the kernel gives network devices to programs. */
export const CLONE_DEVICE = '/dev/net/tun';

/** Why this machine gives no network device to a program, if it doesn't. */
export function tunUnavailable(): string | undefined {
  try {
    accessSync(CLONE_DEVICE, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return `${CLONE_DEVICE}: ${(error as NodeJS.ErrnoException).code ?? 'not accessible'}`;
  }
}
