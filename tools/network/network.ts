import type { ChildProcess } from 'node:child_process';

/** The supernode, the caller, the callee, and a second machine in the callee's network. */
export type Machine = 'supernode' | 'alice' | 'bob' | 'tablet';

/** Packets of the session's media so far; a later reading minus an earlier one is what lay between. */
export interface PacketCounts {
  readonly viaSupernode: number;
  readonly direct: number;
}

/** The participants' own counters, for a network that can't count by itself. */
export interface PacketCounters {
  relayedBySupernode(): Promise<number>;
  receivedByClients(): Promise<number>;
}

/** Where processes run: three machines, or what stands for them. */
export interface Network {
  readonly lab: 'kernel-nat' | 'loopback';
  /** One sentence for the reader. */
  readonly description: string;
  /** Environment that the supernode needs here. */
  readonly supernodeEnvironment: Readonly<Record<string, string>>;
  /** Clients on one machine reach each other over loopback. */
  readonly includeLoopback: boolean;
  /** What the caller asks of its session here. */
  readonly policy: 'any' | 'relay-only';
  /** Starts a Node program with an IPC channel. */
  spawn(machine: Machine, args: readonly string[], environment: NodeJS.ProcessEnv): ChildProcess;
  /** Kernel counters where there are any, else what supernode and clients count. */
  packets(participants: PacketCounters): Promise<PacketCounts>;
  close(): Promise<void>;
}
