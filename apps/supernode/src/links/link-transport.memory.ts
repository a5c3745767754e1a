import type { NodeId } from '../cluster/node-record.ts';
import type { LinkTransport } from './link-transport.port.ts';

/** Joins several supernodes of one process. */
export class MemoryLinkNetwork {
  private readonly receivers = new Map<NodeId, (text: string) => void>();
  /** Decides about each text; everything arrives by default. */
  passes: (to: NodeId, text: string) => boolean = () => true;

  transport(): LinkTransport {
    let own: NodeId | undefined;
    return {
      open: (nodeId, receive) => {
        own = nodeId;
        this.receivers.set(nodeId, receive);
        return Promise.resolve();
      },
      publish: (to, text) => {
        if (this.passes(to, text)) setImmediate(() => this.receivers.get(to)?.(text));
        return Promise.resolve();
      },
      close: () => {
        if (own !== undefined) this.receivers.delete(own);
        return Promise.resolve();
      },
    };
  }
}
