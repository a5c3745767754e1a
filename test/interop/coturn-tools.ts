import { spawn } from 'node:child_process';

/** What one run of a coturn command line tool said. */
export interface ToolRun {
  readonly exitCode: number | null;
  readonly output: string;
}

/** Some of the tools wait for ever for an answer that does not come. */
const RUN_LIMIT_MS = 60_000;

/** Runs a tool of the Debian package `coturn`. @throws RangeError where it is not installed */
export function runTool(name: string, args: readonly string[]): Promise<ToolRun> {
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    const limit = setTimeout(() => child.kill('SIGKILL'), RUN_LIMIT_MS);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', (cause) => {
      clearTimeout(limit);
      reject(
        new RangeError(`${name} cannot be run: install the package coturn (apt-get install coturn)`, {
          cause,
        }),
      );
    });
    child.once('close', (exitCode) => {
      clearTimeout(limit);
      resolve({ exitCode, output: Buffer.concat(chunks).toString() });
    });
  });
}

/** The totals of a `turnutils_uclient` run. */
export interface ClientTotals {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
}

/** Undefined where the tool ended before its totals, as it does when the server refuses something. */
export function totalsOf({ output }: ToolRun): ClientTotals | undefined {
  const [, sent, received] =
    /tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\s*\n(?=.*tot_send_bytes)/.exec(output) ?? [];
  const [, lost] = /Total lost packets (\d+)/.exec(output) ?? [];
  if (sent === undefined || received === undefined || lost === undefined) return undefined;
  return { sent: Number(sent), received: Number(received), lost: Number(lost) };
}
