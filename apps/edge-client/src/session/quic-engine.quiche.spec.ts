import { describe, expect, it, jest } from '@jest/globals';
import { createQuicheEngine, isQuicAvailable } from './quic-engine.quiche.ts';
import { testDevice } from './testing/session-pair.ts';

describe('The quiche engine', () => {
  it('says with a typed error that the platform has no binary, and only when a session is wanted', async () => {
    const missing = new TypeError('no binding for this platform');
    jest.resetModules();
    jest.unstable_mockModule('@matrixai/quic/native/quiche.js', () => {
      throw missing;
    });
    const { CallerHandshake } = await import('./session-handshake.ts');
    const device = testDevice();

    const open = () => new CallerHandshake({ deviceKey: device.privateKey, peerKey: device.publicKey });

    expect(open).toThrow(expect.objectContaining({ code: 'EDGE_QUIC_UNAVAILABLE', cause: missing }));
    expect(isQuicAvailable()).toBe(true);
  });

  it('refuses keys that are no PEM', () => {
    const options = { certificate: 'x', privateKey: 'x', trustAnchor: 'x', idleTimeoutMs: 1_000 };

    expect(() =>
      createQuicheEngine('client', { ...options, sourceConnectionId: new Uint8Array(16) }),
    ).toThrow(expect.objectContaining({ code: 'EDGE_QUIC_FAILED' }));
  });
});
