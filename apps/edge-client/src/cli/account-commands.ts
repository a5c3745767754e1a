import { EdgeClient, type UserId } from '../index.ts';
import { clientOptions, withClient, withOnlineClient, type CommandContext } from './command-context.ts';

/** `parley register` */
export async function registerCommand(
  context: CommandContext,
  handle: string,
  { name }: { readonly name?: string },
): Promise<void> {
  await withClient(context, async (client) => {
    context.output.note('Solving the puzzle of the supernode …');
    const { userId, recoveryCode } = await client.register({
      handle,
      ...(name === undefined ? {} : { displayName: name }),
      signal: context.signal,
      onProgress: ({ attempts, expectedAttempts }) =>
        context.output.progress(`${String(attempts)} of about ${String(expectedAttempts)} attempts`),
    });
    context.output.result(
      { handle, userId, deviceId: client.identity.deviceId, recoveryCode },
      [
        `Registered ${handle} (${userId}).`,
        'Write this recovery code down, it is shown only now:',
        `  ${recoveryCode}`,
      ].join('\n'),
    );
  });
}

/** `parley link`: shows a code, or approves the one of another device. */
export async function linkCommand(
  context: CommandContext,
  code: string | undefined,
  { name }: { readonly name?: string },
): Promise<void> {
  if (code === undefined) return showLinkCode(context);
  await withOnlineClient(context, async (client) => {
    const deviceId = await client.approveLink(code, name === undefined ? {} : { name });
    context.output.result({ deviceId }, `Linked device ${deviceId}.`);
  });
}

/** `parley recover` */
export async function recoverCommand(context: CommandContext, userId: string, code: string): Promise<void> {
  const { client, recovery } = await EdgeClient.recover({
    ...clientOptions(context),
    userId: userId as UserId,
    recoveryCode: code,
  });
  await client.close();
  context.output.result(
    { userId, recoveryCode: recovery.recoveryCode },
    `Recovered ${userId}. The next recovery code, shown only now:\n  ${recovery.recoveryCode}`,
  );
}

async function showLinkCode(context: CommandContext): Promise<void> {
  await withClient(context, async (client) => {
    const invitation = await client.linkCode();
    context.signal.addEventListener('abort', () => invitation.cancel());
    context.output.note('On a device of the account, run `parley link` with this code:');
    context.output.note(`  ${invitation.code}`);
    const { userId, handle } = await invitation.approved;
    context.output.result(
      { userId, handle, deviceId: client.identity.deviceId },
      `This device now belongs to ${handle ?? userId}.`,
    );
  });
}
