import type { NodeId } from '../cluster/node-record.ts';

/** Brings texts from one supernode to another, perhaps: what is lost, doubled or late is the matter of the links. */
export interface LinkTransport {
  /** Begins to receive what is published for this supernode; resolves when nothing published from now on is missed. */
  open(nodeId: NodeId, receive: (text: string) => void): Promise<void>;
  /** Rejects when the text did not leave. */
  publish(to: NodeId, text: string): Promise<void>;
  close(): Promise<void>;
}

export const LINK_TRANSPORT = Symbol('LinkTransport');
