/**
 * The coordinator's part of a supernode: while it surely holds the lease, and has read roster and leases since it got it, it plans
 * the next roster and asks to write it. Two that believe to be coordinators at once, because the lease store lost the lease of
 * one, can't both succeed: a roster is written only over the one that it was planned from.
 */
import { after, earliest, type Instant } from '@parley/nat';
import type { NodeId } from '../node-record.ts';
import type { Roster } from '../roster.ts';
import type { ElectionControls } from '../roster-store.port.ts';
import type { Assessment } from './assessment.ts';
import type { ClusterSettings } from './cluster-settings.ts';
import { coldStartOf } from './cold-start.ts';
import { Coordination } from './coordination.ts';
import type { Decision } from './decision.ts';
import { ElectionMemory } from './election-memory.ts';
import { plan, type Plan } from './plan.ts';

export interface CoordinatorFacts {
  readonly roster: Roster;
  readonly controls: ElectionControls;
  /** When the newest readings that were answered had been sent. */
  readonly rosterReadAt: Instant | undefined;
  readonly leasesReadAt: Instant | undefined;
  assess(): Assessment;
}

interface Proposal {
  readonly roster: Roster;
  readonly decisions: readonly Decision[];
  readonly vacant: Plan['vacant'];
}

export class Coordinator {
  readonly coordination: Coordination;
  readonly memory = new ElectionMemory();
  private proposal: Proposal | undefined;
  /** A write whose end is not known: the roster must be read again before the next one. */
  private pendingSince: Instant | undefined;
  private mustReadAfter: Instant | undefined;
  private evaluateAt: Instant | undefined;

  constructor(
    private readonly self: NodeId,
    private readonly settings: ClusterSettings,
    private readonly startedAt: Instant,
  ) {
    this.coordination = new Coordination(settings);
  }

  isInformed(now: Instant): boolean {
    return this.coordination.state(now) === 'informed';
  }

  /** Returns whether this is the beginning, which needs new readings of roster and leases. */
  held(sentAt: Instant, now: Instant): boolean {
    const wasFollowing = this.coordination.state(now) === 'following';
    this.coordination.held(sentAt, now);
    if (wasFollowing) this.memory.begin();
    return wasFollowing;
  }

  /** Something was learnt that may change the plan. */
  hurry(now: Instant): void {
    this.evaluateAt = now;
  }

  /** The roster was read: a plan may have waited for that. */
  rosterRead(now: Instant): void {
    if (this.mustReadAfter !== undefined || !this.isInformed(now)) this.hurry(now);
  }

  /** The next plan, where this supernode may make one now and it is time for it. */
  evaluate(facts: CoordinatorFacts, now: Instant): Plan | undefined {
    const { coordination, settings } = this;
    if (coordination.state(now) === 'following') return undefined;
    this.giveUpSilentWrite(now);
    const { rosterReadAt = NEVER, leasesReadAt = NEVER } = facts;
    if (rosterReadAt >= coordination.since && leasesReadAt >= coordination.since) coordination.storesRead();
    if (this.evaluateAt !== undefined && now < this.evaluateAt) return undefined;
    this.evaluateAt = after(now, settings.evaluateIntervalMs);
    if (!this.isInformed(now)) return undefined;
    // Old news are no ground for a decision: the stores may have gone away since.
    const oldestMs = settings.leaseTtlMs - settings.marginMs;
    if (now - leasesReadAt > oldestMs || now - rosterReadAt > oldestMs) return undefined;
    if (this.pendingSince !== undefined) return undefined;
    if (this.mustReadAfter !== undefined && rosterReadAt <= this.mustReadAfter) return undefined;
    const assessment = facts.assess();
    const coldStart = coldStartOf(assessment, facts.roster, settings);
    // To give somebody back what it had, nobody needs to be judged.
    if (coldStart === undefined && now - this.startedAt < settings.settleMs) return undefined;
    this.mustReadAfter = undefined;
    const made = plan({
      roster: facts.roster,
      assessment,
      coldStart,
      controls: facts.controls,
      memory: this.memory,
      settings,
      coordinator: this.self,
      now,
    });
    if (made.roster !== undefined) {
      this.proposal = { roster: made.roster, decisions: made.decisions, vacant: made.vacant };
      this.pendingSince = now;
    }
    return made;
  }

  writeEnded(sentAt: Instant, outcome: 'written' | 'conflict' | 'failed', now: Instant): void {
    if (this.pendingSince !== sentAt) return;
    this.pendingSince = undefined;
    if (outcome !== 'written') this.mustReadAfter = now;
    this.hurry(now);
  }

  /** The decisions that took effect with this roster, where it is one of this supernode's own. */
  rosterAdopted(previous: Roster, next: Roster, now: Instant): readonly Decision[] {
    this.memory.rosterAdopted(previous, next, now);
    // Not with the same outputs: what was decided is told before the next thing is.
    this.evaluateAt = after(now, 1);
    const proposal = this.proposal;
    this.proposal = undefined;
    if (proposal?.roster.epoch !== next.epoch || next.coordinator !== this.self) return [];
    this.memory.setOwed(proposal.vacant);
    return proposal.decisions;
  }

  nextAt(): Instant | undefined {
    const end = this.coordination.nextAt();
    return end === undefined ? undefined : earliest(end, this.evaluateAt);
  }

  private giveUpSilentWrite(now: Instant): void {
    if (this.pendingSince === undefined || now - this.pendingSince < this.settings.requestTimeoutMs) return;
    this.pendingSince = undefined;
    this.mustReadAfter = now;
  }
}

const NEVER = Number.NEGATIVE_INFINITY as Instant;
