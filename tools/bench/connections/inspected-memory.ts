import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { z } from 'zod';

const targetsSchema = z.array(z.object({ webSocketDebuggerUrl: z.string() }));
/** Two collections, so that what finalizers let go is gone too. */
const COLLECTIONS = 2;
const SETTLE_MS = 500;

export interface Memory {
  readonly residentBytes: number;
  readonly heapBytes: number;
}

/** Memory of a process without its garbage, which its inspector (`--inspect=127.0.0.1:<port>`) is asked to collect. Linux only. */
export async function memoryOf(pid: number, inspectorPort: number): Promise<Memory> {
  const response = await fetch(`http://127.0.0.1:${inspectorPort}/json/list`);
  const [target] = targetsSchema.parse(await response.json());
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '');
  await new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  try {
    for (let round = 0; round < COLLECTIONS; round += 1) await ask(socket, 'HeapProfiler.collectGarbage');
    await delay(SETTLE_MS); // freed pages are given back by a thread of V8
    const { usedSize } = z.object({ usedSize: z.number() }).parse(await ask(socket, 'Runtime.getHeapUsage'));
    return { residentBytes: await residentBytes(pid), heapBytes: usedSize };
  } finally {
    socket.close();
  }
}

let nextId = 1;

function ask(socket: WebSocket, method: string): Promise<unknown> {
  const id = nextId;
  nextId += 1;
  return new Promise((resolve) => {
    const look = (data: Buffer): void => {
      const answer = JSON.parse(data.toString('utf8')) as { readonly id?: number; readonly result?: unknown };
      if (answer.id !== id) return;
      socket.off('message', look);
      resolve(answer.result);
    };
    socket.on('message', look);
    socket.send(JSON.stringify({ id, method }));
  });
}

async function residentBytes(pid: number): Promise<number> {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1_024;
}
