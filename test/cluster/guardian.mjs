import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * Ends processes and deletes folders when the program that started them is gone, however it ended: its end of this process's
 * standard input closes then. Lines: `process <pid>`, `ended <pid>`, `folder <path>`.
 */
const processes = new Set();
const folders = new Set();

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // it is gone already
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const at = line.indexOf(' ');
    const [verb, value] = [line.slice(0, at), line.slice(at + 1)];
    if (verb === 'process') processes.add(Number(value));
    else if (verb === 'ended') processes.delete(Number(value));
    else if (verb === 'folder') folders.add(value);
  })
  .on('close', () => {
    for (const pid of processes) kill(pid);
    for (const folder of folders)
      rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  });
