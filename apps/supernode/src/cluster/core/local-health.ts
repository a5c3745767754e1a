import type { ClusterSettings } from './cluster-settings.ts';

/**
 * How far a supernode may trust its own observations (the local health multiplier of Lifeguard): whoever is late itself, or can
 * reach hardly anybody, needs more failures before it calls another one unreachable.
 */
export class LocalHealth {
  private penalty = 0;

  constructor(private readonly settings: Pick<ClusterSettings, 'maxHealthMultiplier'>) {}

  get multiplier(): number {
    return 1 + this.penalty;
  }

  /** A timer of this process fired much too late, or most of a round of probes failed. */
  doubt(): void {
    this.penalty = Math.min(this.settings.maxHealthMultiplier - 1, this.penalty + 1);
  }

  /** A round of probes went well. */
  recover(): void {
    this.penalty = Math.max(0, this.penalty - 1);
  }
}
