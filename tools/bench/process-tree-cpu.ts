import { readdir, readFile } from 'node:fs/promises';

/** What the kernel counts processor time in for user space (USER_HZ), on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

interface ProcessTime {
  readonly parent: number;
  readonly ticks: number;
}

/** Seconds of processor time of a process, of its living descendants, and of those that ended. Linux only (proc(5)). */
export async function processTreeCpuSeconds(root: number): Promise<number> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const times = new Map<number, ProcessTime>();
  for (const name of names) {
    const time = await processTime(name);
    if (time) times.set(Number(name), time);
  }
  const belongs = (pid: number): boolean => {
    for (let at = pid; at > 1; at = times.get(at)?.parent ?? 0) if (at === root) return true;
    return false;
  };
  const ticks = [...times].filter(([pid]) => belongs(pid)).reduce((sum, [, time]) => sum + time.ticks, 0);
  return ticks / TICKS_PER_SECOND;
}

/** Seconds of processor time of one process and of its children that ended. */
export async function processCpuSeconds(pid: number): Promise<number> {
  return ((await processTime(String(pid)))?.ticks ?? Number.NaN) / TICKS_PER_SECOND;
}

async function processTime(pid: string): Promise<ProcessTime | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name, in parentheses, and may hold anything; after it: state, parent, …
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [utime = 0, stime = 0, childrenUtime = 0, childrenStime = 0] = fields.slice(11, 15);
    return { parent: fields[1] ?? 0, ticks: utime + stime + childrenUtime + childrenStime };
  } catch {
    return undefined; // it has ended since the folder was listed
  }
}
