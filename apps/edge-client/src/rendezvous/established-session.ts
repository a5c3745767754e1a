import type { RequestInputOf, SessionId } from '@parley/protocol';
import type { Session } from '../session/session.ts';
import type { PathNegotiation } from './path-negotiation.ts';
import type { RendezvousContext } from './rendezvous-context.ts';
import type { Party } from './signed-session.ts';

/** From a failed search for paths to the caller's next one. */
const RESTART_DELAY_MS = 1000;
/** For a restart to be answered and to find a path; and to come online where the supernode is away too. */
const RESTART_PATIENCE_MS = 6000;

export interface EstablishedOptions {
  readonly session: Session;
  readonly sessionId: SessionId;
  readonly peer: Party;
  readonly role: 'caller' | 'callee';
  readonly negotiation: PathNegotiation;
  /** Monotonic; the report counts from here. */
  readonly startedAt: number;
  /** Called once, when nothing of the session is left. */
  readonly onEnd: () => void;
}

/** A session after the answer: keeps its path alive, reports its outcome, and clears up at its end. */
export class EstablishedSession {
  readonly session: Session;
  readonly peer: Party;
  /** The other end is verified and packets can travel; rejects with what ended the session before. */
  readonly usable: Promise<void>;
  readonly #context: RendezvousContext;
  readonly #options: EstablishedOptions;
  #setupMs: number | undefined;
  #isReported = false;
  #restartTimer: NodeJS.Timeout | undefined;

  constructor(context: RendezvousContext, options: EstablishedOptions) {
    this.session = options.session;
    this.peer = options.peer;
    this.#context = context;
    this.#options = options;
    const { session, negotiation } = options;
    const hasPath = new Promise<void>((resolve) => {
      if (session.path !== 'none') resolve();
      session.onPath((path) => {
        if (path !== 'none') resolve();
        if (path === 'direct') this.#reportDirect();
      });
    });
    // The handshake travels in the signalling: it may be done long before any path is found.
    this.usable = session.ready.then(() => hasPath);
    this.usable.catch(() => undefined); // the closure says it too
    // One end restarts, the other follows: the caller, as it has the controlling role.
    negotiation.path.onFailed(() => {
      if (options.role === 'caller') this.#restartAfter(RESTART_DELAY_MS);
    });
    session.ready.then(
      () => this.#onReady(),
      () => undefined, // the closure below says why
    );
    void session.closed.then(() => this.#end());
  }

  get negotiation(): PathNegotiation {
    return this.#options.negotiation;
  }

  #elapsedMs(): number {
    return Math.min(600_000, Math.round(this.#context.clock.monotonic() - this.#options.startedAt));
  }

  #onReady(): void {
    this.#setupMs = this.#elapsedMs();
    if (this.session.path === 'direct') this.#reportDirect();
  }

  #reportDirect(): void {
    if (this.#setupMs === undefined) return;
    this.#report({ outcome: 'direct', setupMs: this.#setupMs, upgradeMs: this.#elapsedMs() });
  }

  /** Once, and by the caller only: two reports of one session would count it twice. */
  #report(outcome: Omit<RequestInputOf<'session.report'>, 'sessionId'>): void {
    if (this.#isReported || this.#options.role === 'callee') return;
    this.#isReported = true;
    this.#context.signalling
      .request('session.report', { sessionId: this.#options.sessionId, ...outcome })
      .catch(() => this.#context.drops.count('report-not-delivered'));
  }

  /** Again and again until there is a path: the session's own idle time is what ends it. */
  #restartAfter(delayMs: number): void {
    this.#restartTimer ??= setTimeout(() => {
      this.#restartTimer = undefined;
      if (this.session.path !== 'none') return;
      const { isOnline } = this.#context.signalling;
      // Unheard by the other end, a restart would only throw away what may still answer.
      if (isOnline) this.negotiation.restart();
      this.#restartAfter(isOnline ? RESTART_PATIENCE_MS : RESTART_DELAY_MS);
    }, delayMs);
  }

  #end(): void {
    clearTimeout(this.#restartTimer);
    const setupMs = this.#setupMs;
    if (setupMs === undefined)
      this.#report({ outcome: 'failed', setupMs: this.#elapsedMs(), upgradeMs: null });
    else this.#report({ outcome: 'relayed', setupMs, upgradeMs: null });
    this.negotiation.close();
    this.#options.onEnd();
  }
}
