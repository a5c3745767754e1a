import { open } from 'node:fs/promises';

/** Makes a new or renamed name in the folder durable; systems that cannot open folders (Windows) do it on their own. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
