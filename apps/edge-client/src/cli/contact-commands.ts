import type { Presence } from '../index.ts';
import { findUser, untilStopped, withOnlineClient, type CommandContext } from './command-context.ts';

export type ContactAction = 'request' | 'accept' | 'remove' | 'block' | 'unblock';

/** `parley contacts list` */
export async function listContactsCommand(context: CommandContext): Promise<void> {
  await withOnlineClient(context, (client) => {
    const contacts = client.contacts.list();
    const lines = contacts.map(({ handle, userId, state }) => `${state.padEnd(12)} ${handle ?? userId}`);
    context.output.result({ contacts }, lines.length > 0 ? lines.join('\n') : 'No contacts.');
    return Promise.resolve();
  });
}

/** `parley contacts <action> <user>` */
export async function changeContactCommand(
  context: CommandContext,
  action: ContactAction,
  name: string,
): Promise<void> {
  await withOnlineClient(context, async (client) => {
    const { userId, label } = await findUser(client, name);
    const contact = await client.contacts[action](userId);
    context.output.result(
      { userId, contact: contact ?? null },
      `${label}: ${contact?.state ?? 'no contact'}.`,
    );
  });
}

/** `parley watch`: presence of the named users, or of all contacts, until Ctrl-C. */
export async function watchCommand(
  context: CommandContext,
  names: readonly string[],
  { seconds }: { readonly seconds?: number },
): Promise<void> {
  await withOnlineClient(context, async (client) => {
    const named = await Promise.all(names.map((name) => findUser(client, name)));
    const contacts = client.contacts
      .list()
      .filter(({ state }) => state === 'accepted')
      .map(({ userId, handle }) => ({ userId, label: handle ?? userId }));
    const users = named.length > 0 ? named : contacts;
    const labels = new Map(users.map(({ userId, label }) => [userId, label]));
    let changes = 0;
    client.presence.on('change', (presence: Presence) => {
      const label = labels.get(presence.userId);
      if (label === undefined) return;
      changes += 1;
      context.output.note(
        `${label} is ${presence.state}${presence.statusText ? `: ${presence.statusText}` : ''}.`,
      );
    });
    if (users.length > 0) await client.presence.subscribe(...users.map(({ userId }) => userId));
    else context.output.note('There is nobody to watch: name users, or make contacts.');
    await untilStopped(context.signal, seconds);
    const last = users.map(({ userId, label }) => ({
      userId,
      name: label,
      state: client.presence.get(userId)?.state ?? 'offline',
    }));
    context.output.result(
      { changes, users: last },
      last.map(({ name, state }) => `${name}: ${state}`).join('\n'),
    );
  });
}
