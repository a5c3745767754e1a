import { Inject, Injectable } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { CLOCK, type Clock } from '../clock/clock.port.ts';
import { Refusal } from '../refusal.ts';
import { TOKEN_BINDINGS, type TokenBindings } from './accounts.port.ts';
import type { ProvenDevice } from './device-proof.ts';
import type { VerifiedToken } from './token-verifier.ts';

/** Expired bindings are deleted about once per so many bound sign-ins. */
const CLEAN_EVERY = 1024;

/** Binds a token that names no device to the device that uses it first. */
@Injectable()
export class TokenBinder {
  private signIns = 0;

  constructor(
    private readonly tasks: BackgroundTasks,
    @Inject(TOKEN_BINDINGS) private readonly bindings: TokenBindings,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws Refusal TOKEN_BOUND */
  async bind(device: ProvenDevice, token: VerifiedToken): Promise<void> {
    if (token.namesDevice) return;
    const boundTo = await this.bindings.bind({
      tenant: device.tenant,
      userId: token.userId,
      tokenHash: token.bindingHash,
      deviceKey: device.deviceKey,
      expiresAt: token.expiresAt,
    });
    if (boundTo !== device.deviceKey) throw new Refusal('TOKEN_BOUND');
    this.signIns += 1;
    if (this.signIns % CLEAN_EVERY !== 0) return;
    const now = new Date(this.clock.now());
    await this.tasks.attempt('Deleting expired token bindings', () => this.bindings.deleteExpired(now));
  }
}
