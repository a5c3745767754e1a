import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { certifiedHost } from './tls-certificate.ts';

const cert = await readFile(path.join(import.meta.dirname, 'testing/tls-cert.pem'));

describe('certifiedHost', () => {
  it('is the address where the certificate has it, else its name', () => {
    expect(certifiedHost({ cert }, '127.0.0.1')).toBe('127.0.0.1');
    expect(certifiedHost({ cert }, '203.0.113.1')).toBe('localhost');
  });
});
