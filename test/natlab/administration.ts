import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { LabError } from './errors.ts';

/** Debian keeps `ip` and `nft` out of an ordinary user's PATH. */
const ADMIN_PATH = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The environment in which administration tools are found. */
export function administrationEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [process.env['PATH'] ?? '', ...ADMIN_PATH].join(delimiter), LC_ALL: 'C' };
}

/** Runs an administration tool to its end and returns what it printed. */
export async function administer(
  command: string,
  args: readonly string[],
  options: { input?: string } = {},
): Promise<string> {
  const child = spawn(command, args, { env: administrationEnvironment(), stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', (error) => (stderr += error.message)); // it ended without reading; its exit code says why
  child.stdin.end(options.input ?? '');
  const status = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  if (status !== 0) {
    throw new LabError('LAB_COMMAND_FAILED', `${command} ended with ${status}: ${stderr.trim()}`);
  }
  return stdout;
}
