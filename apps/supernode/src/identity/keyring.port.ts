/** One key of the cluster's versioned keyring. */
export interface ClusterKeyRecord {
  readonly purpose: string;
  readonly version: number;
  /** Ed25519: the private key as PKCS #8 DER. Else raw secret bytes. */
  readonly secret: Uint8Array;
  /** Raw Ed25519 public key, where the purpose has one. */
  readonly publicKey: Uint8Array | null;
  readonly notBefore: Date;
  readonly notAfter: Date | null;
}

/** Keys and names that all supernodes of a cluster share. Rows are created once and win over every later candidate. */
export interface KeyringStore {
  /** The stored value of a setting; `candidate` where it had none. */
  settingOrCreate(key: string, candidate: string): Promise<string>;
  /** Keys of a purpose, newest first; creates `candidate` where there is none. */
  keysOrCreate(purpose: string, candidate: ClusterKeyRecord): Promise<readonly ClusterKeyRecord[]>;
}

export const KEYRING_STORE = Symbol('KeyringStore');
