/** What the demo of a cluster tells a process with many edge clients. Plain JSON: it crosses a process boundary. */
export interface CrowdCommands {
  /** Opens, registers and connects as many clients. */
  open: { params: { url: string; folder: string; names: string[] }; result: { users: User[] } };
  /** Each of the given clients asks a user to be its contact. */
  ask: { params: readonly Towards[]; result: null };
  /** Each of the given clients accepts what a user asked, and both watch each other from then on. */
  accept: { params: readonly Towards[]; result: null };
  watch: { params: readonly Towards[]; result: null };
  /** Takes every call that rings and every session that a contact opens. */
  answerAll: { params: null; result: null };
  /** Calls a user, and talks until the end. */
  call: { params: Towards & { relayed: boolean }; result: null };
  /** Opens a session, and sends a datagram ten times a second until the end, as the other end does. */
  openSession: { params: Towards & { relayed: boolean }; result: null };
  /** Writes to a user at a steady pace until {@link CrowdCommands.finishMessages}. */
  write: { params: Towards & { everyMs: number }; result: null };
  /** What happened since this was asked last. */
  news: { params: null; result: News };
  /** From now on gaps count for the next blow. How every conversation travels at this moment. */
  begin: { params: null; result: Conversation[] };
  /** How every conversation did since `begin`. */
  conversations: { params: null; result: Conversation[] };
  /** The longest time since `begin` in which the process itself did nothing, in milliseconds. */
  stall: { params: null; result: number };
  /** Where every client is now. */
  whereabouts: { params: null; result: Whereabouts[] };
  /** Stops writing; resolves when all that was written is stored. */
  finishMessages: { params: null; result: { stored: StoredMessage[] } };
  /** Everything that came to the apps. */
  received: { params: null; result: ReceivedMessage[] };
}

export interface User {
  readonly name: string;
  readonly userId: string;
}

/** A client of this process, and somebody anywhere. */
export interface Towards {
  readonly name: string;
  readonly userId: string;
}

/** Instants are by the clock of the machine, in milliseconds. */
export interface News {
  readonly reHomed: readonly {
    readonly name: string;
    readonly lostAt: number;
    readonly onlineAt: number;
    readonly url: string;
  }[];
  /** Somebody who was seen online is shown as offline. */
  readonly offline: readonly { readonly name: string; readonly userId: string }[];
  readonly paths: readonly {
    readonly name: string;
    readonly path: string;
    readonly relays: readonly string[];
  }[];
}

/** One end of a call or session. */
export interface Conversation {
  readonly name: string;
  readonly peer: string;
  readonly kind: 'call' | 'session';
  readonly role: 'caller' | 'callee';
  readonly path: string;
  /** Addresses of the relays that this end sends through. */
  readonly relays: readonly string[];
  /** Why it is over, when it should not be. */
  readonly broken: string | null;
  /** The longest time in which nothing of the other end arrived. */
  readonly longestGapMs: number;
}

export interface Whereabouts {
  readonly name: string;
  readonly userId: string;
  readonly isOnline: boolean;
  /** Base URL of the supernode. */
  readonly url: string | null;
  /** Of all users that it watches, those that it does not see online. */
  readonly notSeen: readonly string[];
}

export interface StoredMessage {
  readonly id: string;
  readonly to: string;
}

export interface ReceivedMessage {
  readonly id: string;
  readonly userId: string;
}
