import { createHash, createPublicKey, verify } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { acknowledgementSchema, wireErrorSchema } from './acknowledgement.ts';
import { decodeBase64url, encodeBase64url } from './encoding/base64url.ts';
import {
  CLIENT_REQUESTS,
  eventMetaSchema,
  SERVER_EVENTS,
  type ClientRequestName,
  type ServerEventName,
} from './events.ts';
import { flightHashInput } from './flight.ts';
import { authenticationProofSchema } from './signed/authentication.ts';
import { deviceListSchema } from './signed/device-list.ts';
import { homesSchema } from './signed/homes.ts';
import { sessionAnswerSchema, sessionCandidatesSchema, sessionOfferSchema } from './signed/session.ts';
import { messageSchema } from './signed/message.ts';
import {
  decodePayload,
  signedSchema,
  signingInput,
  type Signed,
  type SigningContext,
} from './signed/signed.ts';

/** The files are version 1 on the wire: what an older client sends. They change only together with the version. */
const FOLDER = path.resolve(import.meta.dirname, '../golden/v1');

const read = (file: string): unknown => JSON.parse(readFileSync(path.join(FOLDER, file), 'utf8'));
const namesIn = (folder: string) =>
  readdirSync(path.join(FOLDER, folder)).map((file) => path.basename(file, '.json'));

const requests = Object.keys(CLIENT_REQUESTS) as ClientRequestName[];
const events = Object.keys(SERVER_EVENTS) as ServerEventName[];

describe('golden messages of version 1', () => {
  it('are there for every request and every event, and for nothing else', () => {
    expect(namesIn('requests').sort()).toEqual([...requests].sort());
    expect(namesIn('events').sort()).toEqual([...events].sort());
  });

  it.each(requests)('%s: request and reply pass their schemas unchanged', (name) => {
    const golden = z
      .object({ request: z.unknown(), reply: z.unknown() })
      .parse(read(`requests/${name}.json`));
    const { request, response } = CLIENT_REQUESTS[name];
    expect(request.parse(golden.request)).toEqual(golden.request);
    expect(acknowledgementSchema(response).parse(golden.reply)).toEqual(golden.reply);
  });

  it.each(events)('%s: event passes its schema unchanged', (name) => {
    const golden = z.object({ event: z.unknown(), meta: z.unknown() }).parse(read(`events/${name}.json`));
    expect(SERVER_EVENTS[name].parse(golden.event)).toEqual(golden.event);
    expect(eventMetaSchema.parse(golden.meta)).toEqual(golden.meta);
  });

  it.each(requests)('%s: unknown fields are ignored', (name) => {
    const { request } = read(`requests/${name}.json`) as { request: object };
    expect(CLIENT_REQUESTS[name].request.parse({ ...request, fromTheFuture: true })).toEqual(request);
  });

  it.each(['refusal', 'refusal-elsewhere'])('hold a %s in the form of the envelope', (file) => {
    const { error } = read(`${file}.json`) as { error: unknown };
    expect(wireErrorSchema.parse(error)).toEqual(error);
  });
});

/** Every signed thing anywhere inside `value`. */
function signedIn(value: unknown): Signed[] {
  const own = signedSchema.safeParse(value);
  if (own.success) return [own.data];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(signedIn) : [];
}

function contextOf(signed: Signed): SigningContext | undefined {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: signed.signer }, format: 'jwk' });
  const [payload, signature] = [decodeBase64url(signed.payload)!, decodeBase64url(signed.signature)!];
  const contexts = [
    'authentication',
    'deviceList',
    'sessionOffer',
    'sessionAnswer',
    'sessionCandidates',
    'homes',
  ] as const;
  return contexts.find((context) => verify(null, signingInput(context, payload), key, signature));
}

const PAYLOADS = {
  authentication: authenticationProofSchema,
  deviceList: deviceListSchema,
  sessionOffer: sessionOfferSchema,
  sessionAnswer: sessionAnswerSchema,
  sessionCandidates: sessionCandidatesSchema,
  message: messageSchema,
  homes: homesSchema,
} as const;

describe('signed payloads of version 1', () => {
  const files = [
    ...namesIn('requests').map((name) => `requests/${name}.json`),
    ...namesIn('events').map((name) => `events/${name}.json`),
  ];
  const all = files.flatMap((file) => signedIn(read(file)).map((signed) => [file, signed] as const));

  it('are found in the golden files in every context but that of messages, which travel sealed', () => {
    const open = Object.keys(PAYLOADS).filter((context) => context !== 'message');
    expect(new Set(all.map(([, signed]) => contextOf(signed)))).toEqual(new Set(open));
  });

  it.each(all)('in %s verify in exactly one context and have its shape', (_file, signed) => {
    const context = contextOf(signed);
    expect(context).toBeDefined();
    expect(decodePayload(PAYLOADS[context!], signed)).toBeDefined();
  });

  it('of an offer bind the flight beside it', () => {
    const { event } = read('events/session.offered.json') as { event: { offer: Signed; flight: string[] } };
    const packets = event.flight.map((packet) => decodeBase64url(packet)!);
    const hash = createHash('sha256').update(flightHashInput(packets)).digest();
    expect(decodePayload(sessionOfferSchema, event.offer)?.flightHash).toBe(encodeBase64url(hash));
  });
});
