import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';

/** An app's backend as identity sees it: signs tokens and serves its public keys. */
export class KeySetServer {
  /** How often the key set was asked for. */
  requests = 0;
  /** Answers like a backend that is broken. */
  isBroken = false;

  private constructor(
    private readonly server: Server,
    private readonly privateKey: CryptoKey,
    /** The public key in PEM-less form, for the attack that uses it as an HMAC secret. */
    readonly publicJwk: object,
    readonly url: string,
  ) {}

  static async start(algorithm = 'ES256'): Promise<KeySetServer> {
    const { privateKey, publicKey } = await generateKeyPair(algorithm);
    const publicJwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: algorithm };
    const server = createServer((_request, response) => {
      backend.requests += 1;
      if (backend.isBroken) {
        response.writeHead(500).end();
        return;
      }
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ keys: [publicJwk] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const backend = new KeySetServer(server, privateKey, publicJwk, `http://127.0.0.1:${port}/jwks`);
    return backend;
  }

  sign(claims: JWTPayload, kid = 'k1'): Promise<string> {
    return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid }).sign(this.privateKey);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
