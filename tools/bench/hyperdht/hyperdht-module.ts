import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';

export interface HyperdhtServer {
  readonly publicKey: Uint8Array;
  listen(): Promise<void>;
  close(): Promise<void>;
}

export interface HyperdhtNode {
  readonly port: number;
  fullyBootstrapped(): Promise<void>;
  address(): { readonly host: string; readonly port: number };
  createServer(onConnection: (socket: Duplex) => void): HyperdhtServer;
  connect(publicKey: Uint8Array): Duplex;
  destroy(options?: { readonly force?: boolean }): Promise<void>;
}

interface HyperdhtOptions {
  readonly host?: string;
  readonly port?: number;
  readonly bootstrap: readonly { readonly host: string; readonly port: number }[];
  readonly firewalled?: boolean;
  readonly ephemeral?: boolean;
}

/** As much of the package `hyperdht` as the benchmark uses. */
export type Hyperdht = new (options: HyperdhtOptions) => HyperdhtNode;

/** @param folder where {@link installHyperdht} put it */
export function loadHyperdht(folder: string): Hyperdht {
  return createRequire(`${folder}/package.json`)('hyperdht') as Hyperdht;
}
