import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeBase64url } from './encoding/base64url.ts';
import { sessionCancel, sessionOffer, sessionOfferedSchema } from './messages/rendezvous.ts';
import { sessionOfferSchema } from './signed/session.ts';
import { decodePayload, signingInput, type Signed } from './signed/signed.ts';

/** Session messages of version 1 with what makes them a call. Without it they are the files beside this folder. */
const FOLDER = path.resolve(import.meta.dirname, '../golden/v1/calls');
const read = (file: string, part: 'request' | 'event'): unknown =>
  (JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8')) as Record<string, unknown>)[part];

function verified(signed: Signed): boolean {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: signed.signer }, format: 'jwk' });
  const payload = decodeBase64url(signed.payload)!;
  return verify(null, signingInput('sessionOffer', payload), key, decodeBase64url(signed.signature)!);
}

describe('golden messages of a call', () => {
  it('pass their schemas unchanged', () => {
    const offer = read('session.offer.json', 'request');
    expect(sessionOffer.request.parse(offer)).toEqual(offer);
    const offered = read('session.offered.json', 'event');
    expect(sessionOfferedSchema.parse(offered)).toEqual(offered);
    const cancel = read('session.cancel.json', 'request');
    expect(sessionCancel.request.parse(cancel)).toEqual(cancel);
  });

  it('say inside the signed offer what stands beside it', () => {
    const request = sessionOffer.request.parse(read('session.offer.json', 'request'));
    const event = sessionOfferedSchema.parse(read('session.offered.json', 'event'));
    for (const { call, offer } of [
      { call: request.call, offer: request.offers[0]!.offer },
      { call: event.call, offer: event.offer },
    ]) {
      expect(verified(offer)).toBe(true);
      expect(call).toEqual({ media: ['audio', 'video'] });
      expect(decodePayload(sessionOfferSchema, offer)?.call).toEqual(call);
    }
  });

  it.each([[[]], [['audio', 'audio']], [['smell']], [['audio', 'video', 'audio']]])(
    'cannot be made with the media %j',
    (media) => {
      const request = read('session.offer.json', 'request') as object;
      expect(sessionOffer.request.safeParse({ ...request, call: { media } }).success).toBe(false);
    },
  );
});
