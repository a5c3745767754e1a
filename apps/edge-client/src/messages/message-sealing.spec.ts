import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { encodeBase64url, LIMITS, type Envelope, type Message, type MessageId } from '@parley/protocol';
import { signPayload } from '../identity/signing.ts';
import {
  conversationIdOf,
  MAX_CLOCK_LEAD_MS,
  MAX_MESSAGE_AGE_MS,
  openMessage,
  sealMessage,
  type MessageExpectation,
} from './message-sealing.ts';
import { PlainProvider } from './testing/plain-provider.ts';
import { newAccount, TENANT, type TestDevice } from './testing/test-account.ts';

const NOW = 1_800_000_000_000;
const newId = () => encodeBase64url(randomBytes(16)) as MessageId;
const keyOf = ({ deviceKey }: TestDevice) => encodeBase64url(deviceKey.publicKey);
const partyOf = ({ userId, deviceId }: TestDevice) => ({ userId, deviceId });

function onlyDevice(name: string): TestDevice {
  const [device] = newAccount(name, 1).devices;
  if (!device) throw new TypeError('The account has no device.');
  return device;
}

describe('a sealed message', () => {
  const alice = onlyDevice('alice');
  const bob = onlyDevice('bob');
  const mallory = onlyDevice('mallory');
  const provider = new PlainProvider(bob.deviceId);
  let message: Message;
  let expected: MessageExpectation;

  beforeEach(() => {
    message = {
      conversation: conversationIdOf(TENANT, alice.userId, bob.userId),
      messageId: newId(),
      from: partyOf(alice),
      to: partyOf(bob),
      peer: bob.userId,
      sentAt: NOW,
      clock: 1,
      content: { kind: 'text', text: 'hello' },
    };
    expected = {
      ...{ tenant: TENANT, self: partyOf(bob), from: partyOf(alice) },
      ...{ messageId: message.messageId, now: NOW },
    };
  });

  const recipient = { deviceId: bob.deviceId, agreementKey: bob.agreementKey.publicKey };
  const seal = (changes: object = {}, signer = alice) =>
    sealMessage({ ...message, ...changes }, signer.deviceKey, provider, recipient);
  const open = (
    envelope: Envelope,
    changes: Partial<MessageExpectation> = {},
    key: string | undefined = keyOf(alice),
  ) => openMessage(envelope, [provider], { ...expected, ...changes }, () => Promise.resolve(key));
  const rawEnvelope = async (plaintext: string): Promise<Envelope> => ({
    scheme: provider.scheme,
    sealed: encodeBase64url(await provider.seal(Buffer.from(plaintext), recipient)),
  });

  it('is believed when all of it fits', async () => {
    expect(await open(await seal())).toEqual({ ok: true, message });
  });

  it('hides the length of its text', async () => {
    const [short, long] = [
      await seal({ content: { kind: 'text', text: 'a' } }),
      await seal({ content: { kind: 'text', text: 'a'.repeat(20) } }),
    ];

    expect(short.sealed).toHaveLength(long.sealed.length);
  });

  it.each([
    ['for another device', 'wrong-recipient', { to: partyOf(mallory) }],
    ['from another device', 'wrong-sender', { from: partyOf(mallory) }],
    ['under another id', 'wrong-message-id', { messageId: newId() }],
    [
      'of another conversation',
      'wrong-conversation',
      { conversation: conversationIdOf(TENANT, 'a' as never, 'b' as never) },
    ],
    ['older than the retention', 'too-old', { sentAt: NOW - MAX_MESSAGE_AGE_MS - 1 }],
    ['from the future', 'from-the-future', { sentAt: NOW + MAX_CLOCK_LEAD_MS + 1 }],
    ['without a clock', 'malformed', { clock: 0 }],
    ['with a known kind in a wrong shape', 'malformed', { content: { kind: 'text', text: '' } }],
  ])('is refused: %s', async (_what, reason, changes) => {
    expect(await open(await seal(changes))).toEqual({ ok: false, reason });
  });

  it('is refused of a conversation that is not ours, whoever signs', async () => {
    const conversation = conversationIdOf(TENANT, alice.userId, mallory.userId);

    expect(await open(await seal({ conversation, peer: mallory.userId }))).toEqual({
      ok: false,
      reason: 'wrong-conversation',
    });
  });

  it('is refused when another device has signed it, or the signature is of another text', async () => {
    const signed = signPayload('message', message, alice.deviceKey);
    const other = signPayload('message', { ...message, clock: 2 }, alice.deviceKey);
    const mixed = await rawEnvelope(JSON.stringify({ ...other, signature: signed.signature }));
    const offer = await rawEnvelope(JSON.stringify(signPayload('sessionOffer', message, alice.deviceKey)));

    expect(await open(await seal({}, mallory))).toEqual({ ok: false, reason: 'wrong-signer' });
    expect(await open(mixed)).toEqual({ ok: false, reason: 'bad-signature' });
    expect(await open(offer)).toEqual({ ok: false, reason: 'bad-signature' });
  });

  it('is refused when the sender has no such device', async () => {
    const opened = await openMessage(await seal(), [provider], expected, () => Promise.resolve(undefined));

    expect(opened).toEqual({ ok: false, reason: 'wrong-signer' });
  });

  it('is refused in a scheme that is not spoken, for another device, too large, or as anything but a message', async () => {
    const sealed = await seal();
    const foreign = await new PlainProvider(alice.deviceId).seal(Buffer.from('x'), {
      ...recipient,
      deviceId: mallory.deviceId,
    });

    expect(await open({ ...sealed, scheme: 'mls' })).toEqual({ ok: false, reason: 'unknown-scheme' });
    expect(await open({ ...sealed, sealed: encodeBase64url(foreign) })).toEqual({
      ok: false,
      reason: 'not-for-us',
    });
    expect(await open({ ...sealed, sealed: '!' })).toEqual({ ok: false, reason: 'malformed' });
    const oversized = encodeBase64url(new Uint8Array(LIMITS.maxSealedBytes + 1));
    expect(await open({ ...sealed, sealed: oversized })).toEqual({ ok: false, reason: 'oversized' });
    for (const plaintext of ['', 'null', '{"payload":1}', '\u0000']) {
      expect(await open(await rawEnvelope(plaintext))).toEqual({ ok: false, reason: 'malformed' });
    }
  });

  it('keeps a kind of content that is not known, unread', async () => {
    const opened = await open(await seal({ content: { kind: 'hologram', depth: 3 } }));

    expect(opened).toMatchObject({ ok: true, message: { content: { kind: 'unknown' } } });
  });

  it('is not sealed when one copy would be too large', async () => {
    const text = '\u0001'.repeat(LIMITS.maxMessageTextLength);

    await expect(seal({ content: { kind: 'text', text } })).rejects.toMatchObject({
      code: 'EDGE_MESSAGE_TOO_LARGE',
    });
  });
});
