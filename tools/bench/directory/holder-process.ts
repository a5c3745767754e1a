import { userIdSchema } from '@parley/protocol';
import type { CommandHandlers } from '../../processes/command-messages.ts';
import { serveCommands } from '../../processes/serve-commands.ts';
import { BareUser } from '../mailbox/bare-user.ts';
import { retried } from '../storm/patient.ts';
import type { HolderCommands } from './holder-commands.ts';

/** An announcement that gets lost is made up for before the entry ends. */
const ANNOUNCED_PER_TTL = 3;

let holder: BareUser | undefined;

function held(): BareUser {
  if (!holder) throw new TypeError('register first');
  return holder;
}

const handlers: CommandHandlers<HolderCommands> = {
  register: async ({ url, handle }) => {
    const user = new BareUser(url, handle);
    await retried(() => user.register());
    holder = user;
    return { userId: user.userId };
  },
  signIn: async ({ url }) => {
    await retried(() => held().signIn(url));
    return null;
  },
  accept: async ({ userId }) => {
    await held().connection.request('contacts.accept', { userId: userIdSchema.parse(userId) });
    return null;
  },
  hold: async (resource) => {
    const { connection } = held();
    await connection.request('resource.announce', resource);
    setInterval(() => {
      void connection.request('resource.announce', resource);
    }, resource.ttlMs / ANNOUNCED_PER_TTL);
    return null;
  },
};

/** Entry point of a process that is killed with what it holds: commands come from the benchmark. */
serveCommands<HolderCommands>(handlers);
