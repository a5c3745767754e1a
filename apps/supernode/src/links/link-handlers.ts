import type { NodeId } from '../cluster/node-record.ts';
import { SupernodeError } from '../errors.ts';
import type { LinkRequestName, LinkTellName } from './link-messages.ts';
import type { Links } from './links.port.ts';

type AnyHandler = (payload: unknown, from: NodeId) => unknown;

/** Who handles which message of other supernodes. */
export class LinkHandlers {
  private readonly requests = new Map<string, AnyHandler>();
  private readonly tells = new Map<string, AnyHandler>();

  onRequest: Links['onRequest'] = (name, handler) => {
    // The types of name and payload belong together where the handler is given, and where the message is sent.
    add(this.requests, name, handler as AnyHandler);
  };

  onTell: Links['onTell'] = (name, handler) => {
    add(this.tells, name, handler as AnyHandler);
  };

  forRequest(name: string): AnyHandler | undefined {
    return this.requests.get(name);
  }

  forTell(name: string): AnyHandler | undefined {
    return this.tells.get(name);
  }
}

function add(
  handlers: Map<string, AnyHandler>,
  name: LinkRequestName | LinkTellName,
  handler: AnyHandler,
): void {
  if (handlers.has(name)) throw new SupernodeError('SN_INVARIANT', `There are two handlers of ${name}.`);
  handlers.set(name, handler);
}
