/** A part of the supernode that can be unable to serve. */
export interface HealthContributor {
  readonly name: string;
  /**
   * All supernodes of the cluster lack it at the same time, and this one serves its users without it: who would look elsewhere
   * finds none that is better off.
   */
  readonly isShared?: boolean;
  /** Rejects, or takes longer than the limit, when the part is not able to serve. */
  check(): Promise<void>;
}

export interface HealthReport {
  /** `degraded`: ready for what it can do without a part that all supernodes share. */
  readonly status: 'ready' | 'degraded' | 'not-ready' | 'draining';
  /** What it is there for: who only relays is no home of anybody. */
  readonly roles: readonly string[];
  readonly checks: readonly { readonly name: string; readonly status: 'up' | 'down' }[];
}

const CHECK_LIMIT_MS = 2_000;

/** Gathers what the parts say about themselves. A part adds itself when it starts. */
export class HealthRegistry {
  private readonly contributors: HealthContributor[] = [];
  private isDraining = false;
  private looking: Promise<HealthReport> | undefined;

  constructor(
    private readonly limitMs = CHECK_LIMIT_MS,
    private readonly roles: readonly string[] = [],
  ) {}

  register(contributor: HealthContributor): void {
    this.contributors.push(contributor);
  }

  /** From now on not ready, whatever the parts say: load balancers look elsewhere while clients leave. */
  startDraining(): void {
    this.isDraining = true;
  }

  /** Whoever asks while a look is under way gets its result: strangers may ask, and each look costs the parts some work. */
  report(): Promise<HealthReport> {
    this.looking ??= this.look().finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async look(): Promise<HealthReport> {
    const checks = await Promise.all(
      this.contributors.map(async (contributor) => ({
        name: contributor.name,
        status: await this.statusOf(contributor),
      })),
    );
    const down = this.contributors.filter((_, at) => checks[at]?.status === 'down');
    return { status: this.statusWithout(down), roles: this.roles, checks };
  }

  private statusWithout(down: readonly HealthContributor[]): HealthReport['status'] {
    if (this.isDraining) return 'draining';
    if (down.length === 0) return 'ready';
    return down.every(({ isShared }) => isShared) ? 'degraded' : 'not-ready';
  }

  private async statusOf(contributor: HealthContributor): Promise<'up' | 'down'> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'down'>((resolve) => (timer = setTimeout(() => resolve('down'), this.limitMs)));
    const checked = checkOf(contributor);
    try {
      return await Promise.race([checked, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function checkOf(contributor: HealthContributor): Promise<'up' | 'down'> {
  try {
    await contributor.check();
    return 'up';
  } catch {
    // Why it is down is for the part's own log; a health report tells strangers nothing.
    return 'down';
  }
}
