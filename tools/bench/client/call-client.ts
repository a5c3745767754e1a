import { EdgeClient, type Call, type IncomingCall } from '@parley/edge-client';
import { handleSchema, userIdSchema } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { until } from '../../processes/until.ts';
import type { CallCommands } from './call-commands.ts';
import { machineClockMs } from '../machine-clock.ts';
import { ObservedCall } from './observed-call.ts';

/** An app on one device that calls and is called; every instant it reports is that of an event. */
export class CallClient {
  #client: EdgeClient | undefined;
  #linked: Promise<unknown> | undefined;
  #outgoing: ObservedCall | undefined;
  #incoming: ObservedCall<IncomingCall> | undefined;

  readonly handlers: CommandHandlers<CallCommands> = {
    open: async ({ url, dataDir, includeLoopback }) => {
      this.#client = await EdgeClient.open({ url, dataDir, udp: { includeLoopback } });
      this.#client.calls.on('incoming', (call) => {
        this.#incoming = new ObservedCall(call, machineClockMs());
      });
      return null;
    },
    register: async ({ handle }) => {
      await this.client.register({ handle: handleSchema.parse(handle) });
      await this.client.connect();
      return this.#identity();
    },
    linkCode: async () => {
      const { code, approved } = await this.client.linkCode();
      this.#linked = approved;
      return { code };
    },
    approveLink: async ({ code, name }) => {
      await this.client.approveLink(code, { name });
      return null;
    },
    linked: async () => {
      await this.#linked;
      await this.client.connect();
      return this.#identity();
    },
    request: async ({ userId }) => {
      await this.client.contacts.request(userIdSchema.parse(userId));
      return null;
    },
    accept: async ({ userId }) => {
      await this.#contactIs(userId, 'pending-in');
      await this.client.contacts.accept(userIdSchema.parse(userId));
      return null;
    },
    waitForContact: ({ userId }) => this.#contactIs(userId, 'accepted'),
    signallingRoundTrip: async () => {
      const began = machineClockMs();
      await this.client.presence.set({ state: 'online' });
      return { ms: machineClockMs() - began };
    },
    propose: async ({ userId, devices }) => {
      const proposedAt = machineClockMs();
      const observed = new ObservedCall<Call>(this.client.calls.call(userIdSchema.parse(userId)), proposedAt);
      this.#outgoing = observed;
      await until(`${devices} ringing devices`, () => observed.allRingingAt(devices));
      return { callId: observed.call.id, proposedAt, ringingAt: observed.ringingAt[0] ?? Number.NaN };
    },
    ringing: async () => {
      const { call, beganAt } = await until('a ringing call', () => this.#incoming);
      return { callId: call.id, ringingAt: beganAt };
    },
    answer: async () => {
      const observed = this.#incoming;
      if (!observed) throw new TypeError('nothing rings');
      const acceptedAt = machineClockMs();
      await observed.call.accept();
      return { acceptedAt, activeAt: observed.activeAt ?? Number.NaN };
    },
    active: async () => {
      const observed = this.#current();
      const activeAt = await until('an active call', () => observed.activeAt);
      return { activeAt, deviceId: observed.call.peer.deviceId ?? '' };
    },
    hangUp: async () => {
      await this.#current().call.hangUp();
      return null;
    },
    over: async () => {
      const observed = this.#current();
      const { at, end } = await until('the end of the call', () => observed.over);
      this.#outgoing = undefined;
      this.#incoming = undefined;
      const { cause, outcome } = end;
      return { overAt: at, cause, outcome, wasActive: observed.activeAt !== undefined };
    },
  };

  private get client(): EdgeClient {
    if (!this.#client) throw new TypeError('the client is not open');
    return this.#client;
  }

  #identity(): { userId: string; deviceId: string } {
    const { userId, deviceId } = this.client.identity;
    return { userId: userId ?? '', deviceId };
  }

  #current(): ObservedCall {
    const observed = this.#outgoing ?? this.#incoming;
    if (!observed) throw new TypeError('there is no call');
    return observed;
  }

  async #contactIs(userId: string, state: string): Promise<null> {
    await until(`contact ${state}`, () =>
      this.client.contacts.list().find((contact) => contact.userId === userId && contact.state === state),
    );
    return null;
  }
}
