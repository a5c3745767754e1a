import type { ClusterAlert, ClusterOutput } from './cluster-io.ts';

/** What only a coordinator judges. */
export const PLAN_ALERTS = ['MASS_LEASE_LOSS', 'NETWORK_SPLIT', 'NO_CANDIDATE', 'NO_SPARE'] as const;

/** What operators should know now. Says each thing when it begins and when it ends. */
export class Alerts {
  private readonly active = new Map<ClusterAlert, string>();

  get raised(): ReadonlyMap<ClusterAlert, string> {
    return this.active;
  }

  /** Undefined where the state is as it was. */
  set(code: ClusterAlert, detail: string | undefined): ClusterOutput | undefined {
    if (detail === undefined && this.active.size === 0) return undefined;
    const isRaised = this.active.has(code);
    if (detail === undefined) {
      if (!isRaised) return undefined;
      this.active.delete(code);
      return { kind: 'alert-cleared', code };
    }
    this.active.set(code, detail);
    return isRaised ? undefined : { kind: 'alert-raised', code, detail };
  }
}
