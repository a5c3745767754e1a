import { LIMITS, type EventOf, type ServerEventName } from '@parley/protocol';
import type { Tenure } from '../cluster/ownership.port.ts';
import type { DeviceAddress } from '../identity/caller.ts';
import type { Connection } from './connection.ts';
import type { ResumeEvent } from './resume-store.port.ts';

/**
 * The stream of numbered events to one signed-in device. It outlives connections: `opening` holds events back until the
 * answer to the sign-in was sent, `lost` leaves them to the resume store.
 */
export class DeviceChannel {
  private stateNow: 'opening' | 'live' | 'lost' = 'opening';
  private heldBack: ResumeEvent[] = [];
  private connectionNow: Connection | undefined;
  private pinged = 0;
  private isUnknown = false;
  private written: Promise<void> = Promise.resolve();
  /** The newest event that is not in the store, and the newest that the device has received. */
  private torn = 0;
  private received = 0;

  constructor(
    readonly device: DeviceAddress,
    public isLinked: boolean,
    /** Under which its record is written. */
    readonly tenure: Tenure,
    /** Of the newest event; 0 before the first. */
    private sequence: number,
  ) {}

  /** The number of the newest event, stored or not. */
  get newest(): number {
    return this.sequence;
  }

  /** A channel of a device that another supernode had, and that was not here yet. */
  static ofElsewhere(...parts: ConstructorParameters<typeof DeviceChannel>): DeviceChannel {
    const channel = new DeviceChannel(...parts);
    channel.detach();
    channel.isUnknown = true;
    return channel;
  }

  /** Another supernode had the device, and it has not been here since. */
  get isFromElsewhere(): boolean {
    return this.isUnknown;
  }

  get connection(): Connection | undefined {
    return this.connectionNow;
  }

  /** A new connection takes over; what is sent from now on waits for {@link goLive}. */
  attach(connection: Connection): void {
    this.connectionNow = connection;
    this.stateNow = 'opening';
    this.isUnknown = false;
    this.heldBack = [];
    // The answer to a ping from before says nothing of what goes out now.
    this.pinged = 0;
  }

  detach(): void {
    this.connectionNow = undefined;
    this.stateNow = 'lost';
    this.heldBack = [];
  }

  /** Numbers an event and sends it if it may go out now. */
  push<Name extends ServerEventName>(name: Name, payload: EventOf<Name>): ResumeEvent {
    this.sequence += 1;
    const event: ResumeEvent = { sequence: this.sequence, name, payload };
    if (this.stateNow === 'live') this.connectionNow?.send(name, payload, event.sequence);
    if (this.stateNow === 'opening') this.holdBack(event);
    return event;
  }

  /** Sends an event that has no number, if it may go out now; else it is lost. */
  show<Name extends ServerEventName>(name: Name, payload: EventOf<Name>): boolean {
    if (this.stateNow !== 'live' || !this.isLinked) return false;
    this.connectionNow?.send(name, payload);
    return true;
  }

  /** An event is on its way to the store; the write never rejects, and says whether it is there. */
  storing({ sequence }: ResumeEvent, write: Promise<boolean>): void {
    this.written = write.then((isStored) => {
      if (!isStored) this.torn = Math.max(this.torn, sequence);
    });
  }

  /** Resolves when nothing is on its way to the store any more; false when something is missing there that the device may need. */
  async isStored(): Promise<boolean> {
    await this.written;
    return this.torn <= this.received;
  }

  private holdBack(event: ResumeEvent): void {
    this.heldBack.push(event);
    // The sign-in hangs: the device reads all state anew when it comes back.
    if (this.heldBack.length > LIMITS.maxResumeEvents) this.connectionNow?.close();
  }

  /** Sends what the device missed, then what was held back. */
  goLive(connection: Connection, missed: readonly ResumeEvent[]): void {
    if (this.connectionNow !== connection || this.stateNow !== 'opening') return;
    const firstHeldBack = this.heldBack[0]?.sequence ?? Number.POSITIVE_INFINITY;
    for (const event of [...missed.filter(({ sequence }) => sequence < firstHeldBack), ...this.heldBack]) {
      connection.send(event.name, event.payload as EventOf<typeof event.name>, event.sequence);
    }
    this.heldBack = [];
    this.stateNow = 'live';
  }

  /** A ping goes out behind all that was sent so far. */
  pingSent(): void {
    this.pinged = this.stateNow === 'live' ? this.sequence : this.pinged;
  }

  /** The answer to the last ping came: the device has received everything up to the returned event. */
  pongReceived(): number {
    this.received = Math.max(this.received, this.pinged);
    return this.pinged;
  }
}
