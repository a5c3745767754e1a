import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeBase64url, LIMITS } from '@parley/protocol';
import { FakeSupernode } from '../testing/fake-supernode.ts';
import { openAnonymousChannel } from './anonymous-channel.ts';

describe('SignallingChannel', () => {
  let supernode: FakeSupernode;
  beforeEach(async () => {
    supernode = await FakeSupernode.start();
  });
  afterEach(() => supernode.stop());

  it('refuses a request that the supernode would close the connection over, and goes on', async () => {
    const options = { connectTimeoutMs: 10_000, requestTimeoutMs: 10_000 };
    const channel = await openAnonymousChannel(supernode.url, options);
    try {
      const signer = encodeBase64url(new Uint8Array(32));
      const huge = { payload: 'A'.repeat(LIMITS.maxMessageBytes), signature: '', signer };
      const refused = channel.request('link.open', { proof: huge, name: 'laptop' });
      await expect(refused).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE', retryable: false });
      await expect(channel.request('challenge', { versions: [1] })).resolves.toMatchObject({ version: 1 });
    } finally {
      channel.close();
    }
  });
});
