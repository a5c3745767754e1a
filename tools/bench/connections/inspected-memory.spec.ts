import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from '@jest/globals';
import { freePort } from '@parley/nat/testing';
import { memoryOf } from './inspected-memory.ts';

const MEBIBYTE = 1_048_576;
let child: ChildProcess | undefined;
afterEach(() => void child?.kill('SIGKILL'));

// Resident memory comes from /proc.
const onLinux = process.platform === 'linux' ? it : it.skip;

describe('memoryOf', () => {
  onLinux(
    'counts what a process keeps, and not what it let go',
    async () => {
      const port = await freePort();
      const source = `
        globalThis.kept = Array.from({ length: 1e6 }, (_, at) => ({ at }));
        Array.from({ length: 1e6 }, (_, at) => ({ at }));
        process.send('ready');
        process.on('message', () => { globalThis.kept = undefined; process.send('let go'); });`;
      const stdio = ['ignore', 'ignore', 'ignore', 'ipc'] as const;
      child = spawn(process.execPath, [`--inspect=127.0.0.1:${port}`, '-e', source], { stdio: [...stdio] });
      await once(child, 'message');
      const pid = child.pid ?? Number.NaN;
      const kept = await memoryOf(pid, port);
      child.send('let go');
      await once(child, 'message');
      const left = await memoryOf(pid, port);

      expect(kept.residentBytes).toBeGreaterThan(kept.heapBytes);
      expect(kept.heapBytes).toBeLessThan(60 * MEBIBYTE);
      expect(kept.heapBytes - left.heapBytes).toBeGreaterThan(15 * MEBIBYTE);
    },
    30_000,
  );
});
