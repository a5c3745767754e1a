import type { CommandHandlers, CommandReply, CommandRequest, CommandsOf } from './command-messages.ts';

/** Carries out what comes over the IPC channel, and ends this process when the other end of it is gone. */
export function serveCommands<Commands extends CommandsOf<Commands>>(
  handlers: CommandHandlers<Commands>,
): void {
  const table = handlers as unknown as Readonly<Record<string, (params: unknown) => Promise<unknown>>>;
  process.on('message', (request: CommandRequest) => {
    void answer(table, request).then((reply) => process.send?.(reply));
  });
  process.on('disconnect', () => process.exit(1));
}

async function answer(
  handlers: Readonly<Record<string, (params: unknown) => Promise<unknown>>>,
  { id, command, params }: CommandRequest,
): Promise<CommandReply> {
  try {
    const handler = handlers[command];
    if (!handler) throw new TypeError(`there is no command ${command}`);
    return { id, ok: true, result: await handler(params) };
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'UNEXPECTED';
    return {
      id,
      ok: false,
      code,
      message: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    };
  }
}
