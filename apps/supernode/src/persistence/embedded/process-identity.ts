import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { errorCodeOf } from '../../errors.ts';

/** Whether a process with this id runs (also one that we may not signal). */
export async function isProcessAlive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCodeOf(error) !== 'EPERM') return false;
  }
  // A zombie still has its id, for ever where process 1 of a container reaps nothing.
  return (await statFields(pid))?.[0] !== 'Z';
}

/** Fields 3 and up of /proc/<pid>/stat: the command name before them is in brackets and may hold anything. */
async function statFields(pid: number): Promise<string[] | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/**
 * A text that differs between two processes that had the same id one after the other: start time since boot on Linux,
 * start date elsewhere. Undefined where the process is gone or the platform does not tell.
 */
export async function processStart(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return (await statFields(pid))?.[19]; // field 22
  try {
    return (await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim() || undefined;
  } catch {
    return undefined;
  }
}

/** The command line of a process, or undefined where it is gone. */
export async function processCommand(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') {
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
    }
    return (
      (await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)])).stdout.trim() || undefined
    );
  } catch {
    return undefined;
  }
}
