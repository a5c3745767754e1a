import { createHash, createPublicKey, sign, X509Certificate, type KeyObject } from 'node:crypto';
import { edgeError } from '../errors.ts';

/**
 * X.509 certificates as TLS wants them, made from device keys. There is no authority: a device signs its own leaf, and the
 * other end builds a trust anchor from the key that it expects, so that TLS itself refuses any other key during the
 * handshake. The names and dates carry no meaning.
 *
 *   anchor (made by the verifier):  subject = issuer = CN=<hash of the key>, key = expected device key, no signature
 *   leaf (made by the device):      issuer = CN=<hash of the key>, subject = CN=parley, key = device key, signed by it
 *
 * A trust anchor's own signature is never checked (RFC 5280 section 6.1 takes only its name and key).
 */
const KEY_BYTES = 32;
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const ALGORITHM_ED25519 = Buffer.from('300506032b6570', 'hex');
const VERSION_3 = Buffer.from('a003020102', 'hex');
const SERIAL_1 = Buffer.from('020101', 'hex');
const OID_COMMON_NAME = Buffer.from('0603550403', 'hex');
const OID_BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex');
const TRUE = Buffer.from('0101ff', 'hex');
const NO_SIGNATURE = Buffer.alloc(64);

const TAG = {
  sequence: 0x30,
  set: 0x31,
  bitString: 3,
  octetString: 4,
  utf8: 12,
  utcTime: 23,
  time: 24,
  extensions: 0xa3,
};

/** The certificate and private key of one device, PEM, as the QUIC engine takes them. */
export interface DeviceCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/**
 * The leaf that a device presents.
 *
 * @throws EDGE_DEVICE_KEY_INVALID when the key is no Ed25519 private key
 */
export function deviceCertificate(deviceKey: KeyObject): DeviceCertificate {
  if (deviceKey.type !== 'private' || deviceKey.asymmetricKeyType !== 'ed25519') {
    throw edgeError('EDGE_DEVICE_KEY_INVALID');
  }
  const spki = createPublicKey(deviceKey).export({ type: 'spki', format: 'der' });
  const unsigned = toBeSigned({ issuer: nameOf(spki), subject: 'parley', spki, isAuthority: false });
  return {
    certificate: pem(certificate(unsigned, sign(null, unsigned, deviceKey))),
    privateKey: deviceKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/**
 * The trust anchor for one expected device, PEM.
 *
 * @throws EDGE_DEVICE_KEY_INVALID when `publicKey` is not 32 bytes
 */
export function trustAnchor(publicKey: Uint8Array): string {
  const spki = spkiOf(publicKey);
  const name = nameOf(spki);
  return pem(certificate(toBeSigned({ issuer: name, subject: name, spki, isAuthority: true }), NO_SIGNATURE));
}

/** True when the key in a DER certificate is exactly `publicKey`. */
export function certificateHoldsKey(der: Uint8Array, publicKey: Uint8Array): boolean {
  const found = new X509Certificate(der).publicKey;
  if (found.asymmetricKeyType !== 'ed25519') return false;
  return spkiOf(publicKey).equals(found.export({ type: 'spki', format: 'der' }));
}

/** SubjectPublicKeyInfo of a raw Ed25519 key (RFC 8410 section 4). */
function spkiOf(publicKey: Uint8Array): Buffer {
  if (publicKey.length !== KEY_BYTES) throw edgeError('EDGE_DEVICE_KEY_INVALID');
  return Buffer.concat([SPKI_PREFIX, publicKey]);
}

function nameOf(spki: Uint8Array): string {
  return createHash('sha256').update(spki).digest('hex');
}

interface CertificateFields {
  readonly issuer: string;
  readonly subject: string;
  readonly spki: Uint8Array;
  readonly isAuthority: boolean;
}

/** TBSCertificate (RFC 5280 section 4.1). */
function toBeSigned({ issuer, subject, spki, isAuthority }: CertificateFields): Buffer {
  const constraints = sequence(...(isAuthority ? [TRUE] : []));
  const extension = sequence(OID_BASIC_CONSTRAINTS, TRUE, tlv(TAG.octetString, constraints));
  // clocks of clients are not trusted, so nothing expires: section 4.1.2.5 names the last date
  const validity = sequence(
    tlv(TAG.utcTime, Buffer.from('700101000000Z')),
    tlv(TAG.time, Buffer.from('99991231235959Z')),
  );
  return sequence(
    VERSION_3,
    SERIAL_1,
    ALGORITHM_ED25519,
    commonName(issuer),
    validity,
    commonName(subject),
    spki,
    tlv(TAG.extensions, sequence(extension)),
  );
}

function certificate(unsigned: Uint8Array, signature: Uint8Array): Buffer {
  return sequence(unsigned, ALGORITHM_ED25519, tlv(TAG.bitString, Buffer.of(0), signature));
}

function commonName(name: string): Buffer {
  return sequence(tlv(TAG.set, sequence(OID_COMMON_NAME, tlv(TAG.utf8, Buffer.from(name)))));
}

function sequence(...parts: Uint8Array[]): Buffer {
  return tlv(TAG.sequence, ...parts);
}

/** DER tag, length, value; lengths up to 65,535 (X.690 section 8.1.3). */
function tlv(tag: number, ...parts: Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  const length =
    value.length < 0x80
      ? [value.length]
      : value.length < 0x100
        ? [0x81, value.length]
        : [0x82, value.length >> 8, value.length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...length), value]);
}

function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
