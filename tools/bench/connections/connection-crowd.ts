import type { CommandHandlers } from '../../processes/command-messages.ts';
import { BareConnection } from '../mailbox/bare-connection.ts';
import { BareUser } from '../mailbox/bare-user.ts';
import { retried } from '../storm/patient.ts';
import type { ConnectionCommands } from './connection-commands.ts';

const AT_ONCE = 16;

/** Clients that connect and then say nothing. */
export class ConnectionCrowd {
  #users: readonly BareUser[] = [];
  #connections: BareConnection[] = [];

  readonly handlers: CommandHandlers<ConnectionCommands> = {
    register: async ({ url, count }) => {
      this.#users = Array.from({ length: count }, (_, at) => new BareUser(url, `idle${at}`));
      await inTurn(count, (at) => retried(() => this.#user(at).register()));
      return null;
    },
    signIn: async ({ from, count }) => {
      const began = performance.now();
      await inTurn(count, async (at) => {
        const user = this.#user(from + at);
        await retried(() => user.signIn());
        this.#connections.push(user.connection);
      });
      return { ms: performance.now() - began };
    },
    connect: async ({ url, count }) => {
      const began = performance.now();
      await inTurn(count, async () => {
        this.#connections.push(await BareConnection.open(url));
      });
      return { ms: performance.now() - began };
    },
    leave: async () => {
      await Promise.all(this.#connections.splice(0).map((connection) => connection.close()));
      return null;
    },
  };

  #user(at: number): BareUser {
    const user = this.#users[at];
    if (!user) throw new TypeError('register first');
    return user;
  }
}

async function inTurn(count: number, act: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const at = next;
      next += 1;
      await act(at);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
