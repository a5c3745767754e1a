import type { DocumentName, DocumentOf } from './identity-format.ts';

/**
 * Where a client keeps its documents. An app may bring its own (a keychain, a database); one store serves one open client
 * at a time.
 */
export interface IdentityStore {
  /** Undefined when the document was never saved. @throws EDGE_IDENTITY_CORRUPTED, EDGE_IDENTITY_NEWER */
  load<Name extends DocumentName>(name: Name): Promise<DocumentOf<Name> | undefined>;
  /** Replaces the document as a whole or not at all. */
  save<Name extends DocumentName>(name: Name, document: DocumentOf<Name>): Promise<void>;
  /** Gives the store free for another client. */
  close(): Promise<void>;
}

/** Keeps everything in memory: for tests and for identities that end with the process. */
export class MemoryIdentityStore implements IdentityStore {
  readonly #documents = new Map<DocumentName, unknown>();

  load<Name extends DocumentName>(name: Name): Promise<DocumentOf<Name> | undefined> {
    return Promise.resolve(structuredClone(this.#documents.get(name)) as DocumentOf<Name> | undefined);
  }

  save<Name extends DocumentName>(name: Name, document: DocumentOf<Name>): Promise<void> {
    this.#documents.set(name, structuredClone(document));
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
