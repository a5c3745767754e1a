/**
 * What goes into the cluster core and what comes out of it. The driver carries out every output at once, in order, and answers
 * each request (an output with `sentAt`) with an input that repeats its `sentAt`: the instant from which on all rights count.
 * A late answer is welcome; a missing one counts as failed after `requestTimeoutMs`.
 */
import type { Core, Instant } from '@parley/nat';
import type { LoadVector, NodeAddresses, NodeId, NodeRecord, NodeState } from '../node-record.ts';
import type { Roster, Seat } from '../roster.ts';
import type { ElectionControls } from '../roster-store.port.ts';
import type { Slot } from '../slot.ts';
import type { Decision } from './decision.ts';

/** What a supernode knows of itself from the start; `addresses` may be replaced later. */
export type OwnNode = Pick<
  NodeRecord,
  'nodeId' | 'incarnation' | 'region' | 'version' | 'roles' | 'capacity' | 'addresses'
>;

/** What `/cluster/identity` of a supernode answers to a probe of another one. */
export interface ClusterIdentity {
  readonly nodeId: NodeId;
  readonly incarnation: number;
  /** Of the roster that it follows. */
  readonly rosterEpoch: number;
}

/** A request of a store that failed: no answer, or none in time. */
export type FailedRequest = 'renew-lease' | 'read-leases' | 'hold-coordination' | 'read-roster';

export type ClusterInput =
  /** Own load, about once a second. */
  | { readonly kind: 'measured'; readonly load: LoadVector; readonly uptimeMs: number }
  /** The addresses to publish, when others found better ones than those at the start. */
  | { readonly kind: 'addresses-changed'; readonly addresses: NodeAddresses }
  | { readonly kind: 'lease-renewed'; readonly sentAt: Instant }
  /** A higher incarnation of this node id holds the lease. */
  | { readonly kind: 'lease-refused'; readonly sentAt: Instant }
  | { readonly kind: 'leases-read'; readonly sentAt: Instant; readonly records: readonly NodeRecord[] }
  | { readonly kind: 'coordination-held'; readonly sentAt: Instant }
  | { readonly kind: 'coordination-refused'; readonly sentAt: Instant }
  | {
      readonly kind: 'roster-read';
      readonly sentAt: Instant;
      readonly roster: Roster;
      readonly controls: ElectionControls;
    }
  | { readonly kind: 'roster-announced'; readonly roster: Roster }
  /** `conflict`: the stored epoch was another one. `failed`: whether it was written is unknown. */
  | {
      readonly kind: 'roster-write-ended';
      readonly sentAt: Instant;
      readonly roster: Roster;
      readonly outcome: 'written' | 'conflict' | 'failed';
    }
  | { readonly kind: 'request-failed'; readonly request: FailedRequest; readonly sentAt: Instant }
  /** `relayReached`: null where the supernode publishes no STUN address. */
  | {
      readonly kind: 'probe-answered';
      readonly nodeId: NodeId;
      readonly sentAt: Instant;
      readonly identity: ClusterIdentity;
      readonly relayReached: boolean | null;
    }
  /** No answer in time, a refused connection, or another node id or cluster at that address. */
  | { readonly kind: 'probe-failed'; readonly nodeId: NodeId; readonly sentAt: Instant }
  /** This supernode is to stop: it gives up its seat and its slots, then says `drained`. */
  | { readonly kind: 'drain' }
  /** The last input: ends what this supernode holds in the stores. */
  | { readonly kind: 'leave' };

/** What a supernode may do for the users of its slots. See `standing.ts`. */
export type Standing = 'suspended' | 'acting' | 'connected-only';

export type StandingCause =
  'confirmed' | 'lease-lapsed' | 'roster-unconfirmed' | 'store-away' | 'store-back' | 'superseded';

/** Stable codes of what operators should know; texts are in docs/operations/cluster.md. */
export const CLUSTER_ALERTS = {
  LEASE_STORE_AWAY: 'The lease store (Redis) does not answer this supernode.',
  DATABASE_AWAY: 'The database does not answer this supernode: the roster is frozen for it.',
  MASS_LEASE_LOSS: 'Many leases are gone while their supernodes answer: demotion is frozen.',
  NETWORK_SPLIT: 'Many supernodes hold leases that their peers can not reach: demotion is frozen.',
  NO_SPARE: 'Too few supernodes: the loss of one would leave less than the load needs.',
  NO_CANDIDATE: 'A seat is vacant and no supernode can take it.',
  SUPERSEDED: 'Another process with the same node id runs: this one must stop.',
  UNREACHABLE: 'Other supernodes can not reach this one at its published addresses.',
} as const;
export type ClusterAlert = keyof typeof CLUSTER_ALERTS;

export type ClusterOutput =
  // Requests
  | {
      readonly kind: 'renew-lease';
      readonly sentAt: Instant;
      readonly record: NodeRecord;
      readonly ttlMs: number;
    }
  | { readonly kind: 'read-leases'; readonly sentAt: Instant }
  | { readonly kind: 'hold-coordination'; readonly sentAt: Instant; readonly ttlMs: number }
  /** The roster and the operators' controls. */
  | { readonly kind: 'read-roster'; readonly sentAt: Instant }
  /** `writtenAt` is 0: the driver puts the time of day there. */
  | {
      readonly kind: 'write-roster';
      readonly sentAt: Instant;
      readonly roster: Roster;
      readonly expectedEpoch: number;
      /** What led to it; kept together with it. */
      readonly decisions: readonly Decision[];
    }
  | {
      readonly kind: 'probe';
      readonly sentAt: Instant;
      readonly nodeId: NodeId;
      readonly addresses: NodeAddresses;
      readonly timeoutMs: number;
    }
  // Without an answer
  | { readonly kind: 'release-lease' }
  | { readonly kind: 'release-coordination' }
  /** To all supernodes, best effort: they find it in the database soon anyway. */
  | { readonly kind: 'announce-roster'; readonly roster: Roster }
  // What happened
  /** This supernode follows a newer roster. What it may do by it says `ownership-changed`. */
  | { readonly kind: 'roster-adopted'; readonly roster: Roster; readonly previousEpoch: number }
  /** `gained`: slots that it owns and whose former owners have surely stopped. `lost`: slots that it had gained before. */
  | {
      readonly kind: 'ownership-changed';
      readonly gained: ReadonlyMap<Slot, number>;
      readonly lost: ReadonlySet<Slot>;
    }
  | {
      readonly kind: 'standing-changed';
      readonly from: Standing;
      readonly to: Standing;
      readonly cause: StandingCause;
    }
  | {
      readonly kind: 'state-changed';
      readonly from: NodeState;
      readonly to: NodeState;
      readonly cause: string;
    }
  | { readonly kind: 'coordination-changed'; readonly isCoordinator: boolean }
  | { readonly kind: 'alert-raised'; readonly code: ClusterAlert; readonly detail: string }
  | { readonly kind: 'alert-cleared'; readonly code: ClusterAlert }
  /** Made by this supernode as coordinator, and in effect. */
  | { readonly kind: 'decision'; readonly decision: Decision }
  /** Nothing is left to hand over: the process may end once its clients are gone. */
  | { readonly kind: 'drained' };

/** Why a user's slot is where it is. */
export interface SlotExplanation {
  readonly slot: Slot;
  readonly rosterEpoch: number;
  readonly coordinator: NodeId;
  readonly owner: NodeId | undefined;
  readonly slotEpoch: number | undefined;
  /** All seats in the order of the weighted rendezvous hash; the owner need not be the first. */
  readonly ranking: readonly {
    readonly nodeId: NodeId;
    readonly weight: number;
    readonly slots: number;
    readonly limit: number;
  }[];
  /** Where this supernode is the owner: whether it may act, and else what it waits for. */
  readonly standing: Standing | undefined;
  readonly waitsFor: readonly NodeId[];
}

/** What the driver and the modules around it may ask at any time; all of it without side effects. */
export interface ClusterView {
  /** The newest roster that this supernode follows. */
  readonly roster: Roster;
  readonly controls: ElectionControls;
  readonly state: NodeState;
  /** Answer to probes. */
  readonly identity: ClusterIdentity;
  /** Everybody with a lease at the last reading, and what this supernode knows of each. */
  readonly nodes: readonly NodeView[];
  /** Newest last. */
  readonly decisions: readonly Decision[];
  /** Alerts that are raised now. */
  readonly alerts: ReadonlyMap<ClusterAlert, string>;
  isCoordinator(now: Instant): boolean;
  standing(now: Instant): Standing;
  /** The epoch under which this supernode may act for a slot now; undefined when it may not. Right at once after any pause. */
  tenureEpoch(slot: Slot, now: Instant): number | undefined;
  /** All slots for which it may act now, with their epochs. Read it and let it go: it changes with the next input. */
  tenures(now: Instant): ReadonlyMap<Slot, number>;
  /** The epoch whatever the standing: for who is connected, while a store is away. */
  gainedEpoch(slot: Slot): number | undefined;
  /** Seats in the order in which clients of a slot should try them: the owner first. */
  homes(slot: Slot): readonly Seat[];
  explain(slot: Slot, now: Instant): SlotExplanation;
}

export interface NodeView {
  readonly record: NodeRecord;
  readonly reachability: 'unverified' | 'verified' | 'unreachable';
  readonly verdict: 'alive' | 'suspect' | 'down';
  /** Why it is no candidate for a seat; empty when it is one. */
  readonly objections: readonly string[];
  readonly score: number;
  readonly terms: Readonly<Record<string, number>>;
  readonly hasSeat: boolean;
}

export interface ClusterCoreApi extends Core<ClusterInput, ClusterOutput>, ClusterView {}
