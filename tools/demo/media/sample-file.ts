import { createCipheriv, createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';

/** The same incompressible bytes every time: a key stream. */
export async function writeSampleFile(path: string, bytes: number): Promise<{ sha256: string }> {
  const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'parley'), Buffer.alloc(16)).update(
    Buffer.alloc(bytes),
  );
  await writeFile(path, content);
  return { sha256: createHash('sha256').update(content).digest('hex') };
}
