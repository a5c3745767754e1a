import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EdgeHarness } from './testing/edge-harness.ts';

let edge: EdgeHarness;
beforeAll(async () => {
  edge = await EdgeHarness.start();
}, 60_000);
afterAll(() => edge.stop());

describe('sign-in with a token of open registration', () => {
  it('welcomes a registered device', async () => {
    const ada = await edge.registerAndSignIn('ada');

    expect(ada.welcome).toEqual({
      tenant: 'default',
      userId: ada.account.userId,
      deviceId: ada.device.deviceId,
      handle: 'ada',
      linked: true,
      deviceListVersion: 1,
      resume: { token: expect.any(String), windowMs: 120_000 },
      stunServers: ['127.0.0.1:3478'],
      relay: expect.objectContaining({ realm: 'parley' }),
      serverTime: expect.any(Number),
    });
    expect(edge.observed).toContain(`reachable ${ada.device.deviceId} signed-in`);
  });
});
