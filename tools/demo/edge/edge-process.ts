import { EdgeApp } from './edge-app.ts';
import type { EdgeReply, EdgeRequest } from './edge-messages.ts';

/** Entry point of an edge process: commands come from the demo over the IPC channel. */
const app = new EdgeApp();

async function answer({ id, command, params }: EdgeRequest): Promise<EdgeReply> {
  try {
    const handler = app.handlers[command] as (params: unknown) => Promise<unknown>;
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

process.on('message', (request: EdgeRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});
// The demo is gone: so are we.
process.on('disconnect', () => process.exit(1));
