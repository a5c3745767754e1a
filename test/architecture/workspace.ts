import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The folder of the whole workspace. */
export const WORKSPACE = fileURLToPath(new URL('../../', import.meta.url));

/** How a tool ended and what it printed. */
export interface ToolOutcome {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a tool runs and what it reads. */
export interface ToolOptions {
  /** @default the workspace */
  readonly folder?: string;
  readonly input?: string;
}

/** Runs a development tool with this Node, in a process of its own. */
export async function runTool(args: readonly string[], options: ToolOptions = {}): Promise<ToolOutcome> {
  return run(process.execPath, args, options);
}

/** Every file that git tracks or would track, and that is still there, relative to the workspace. */
export async function trackedFiles(): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z']);
  return [...new Set(stdout.split('\0'))].filter((file) => file !== '' && existsSync(join(WORKSPACE, file)));
}

/** Why a check failed: all that the tool printed, or nothing when it found nothing to say. */
export function complaintsOf({ exitCode, stdout, stderr }: ToolOutcome): string {
  return exitCode === 0 ? '' : `exit code ${String(exitCode)}\n${stdout}${stderr}`;
}

async function run(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolOutcome> {
  const { FORCE_COLOR: _, ...environment } = process.env; // jest sets it for its own output; here output is compared
  const child = spawn(command, args, {
    cwd: options.folder ?? WORKSPACE,
    env: { ...environment, NX_DAEMON: 'false', NX_TUI: 'false', NO_COLOR: '1' },
  });
  child.stdin.end(options.input ?? '');
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { exitCode, stdout, stderr };
}
