import type { EventOf, ServerEventName } from '@parley/protocol';
import type { Scheduler } from '../clock/scheduler.port.ts';
import type { Caller } from '../identity/caller.ts';
import type { ConnectionContext, IssuedChallenge } from '../identity/connection-context.ts';

/** How long a closing connection may still wait for the answers to requests that are under way. */
const CLOSE_GRACE_MS = 1_000;

/** What a connection needs of its transport. */
export interface Transport {
  emit(event: ServerEventName, payload: unknown, meta: { sequence: number }): void;
  close(): void;
}

/** Who is signed in on a connection. */
export interface SignedInDevice {
  readonly caller: Caller;
  /** False until the user has a device list. */
  readonly hasAccount: boolean;
}

/** One live connection of an edge client, signed in or not. */
export class Connection implements ConnectionContext {
  challenge: IssuedChallenge | undefined;
  /** Set by sign-in, cleared by sign-off and revocation; handlers read it at each request. */
  device: SignedInDevice | undefined;
  private underWay = 0;
  private state: 'open' | 'closing' | 'closed' = 'open';
  private cancelDeadline: () => void = () => undefined;

  constructor(
    readonly source: string,
    private readonly transport: Transport,
    private readonly scheduler: Scheduler,
  ) {}

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Requests that were taken and not yet answered. */
  get requestsUnderWay(): number {
    return this.underWay;
  }

  send<Name extends ServerEventName>(event: Name, payload: EventOf<Name>, sequence = 0): void {
    if (this.state !== 'closed') this.transport.emit(event, payload, { sequence });
  }

  /** Closes the connection unless somebody signed in on it by then; a later call moves the deadline. */
  expectSignInWithin(milliseconds: number): void {
    this.cancelDeadline();
    this.cancelDeadline = this.scheduler.after(milliseconds, () => {
      if (!this.device) this.close();
    });
  }

  requestBegins(): void {
    this.underWay += 1;
  }

  requestEnds(): void {
    this.underWay -= 1;
    if (this.state === 'closing' && this.underWay === 0) this.closeNow();
  }

  /** Takes no further request, lets those under way be answered, then closes. */
  close(): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.cancelDeadline();
    if (this.underWay === 0) this.closeNow();
    else this.cancelDeadline = this.scheduler.after(CLOSE_GRACE_MS, () => this.closeNow());
  }

  /** The transport is gone, whoever ended it. */
  ended(): void {
    this.state = 'closed';
    this.cancelDeadline();
  }

  private closeNow(): void {
    if (this.state === 'closed') return;
    this.ended();
    this.transport.close();
  }
}
