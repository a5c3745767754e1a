import type { NodeId } from '../cluster/node-record.ts';
import type {
  LinkRequestName,
  LinkRequestOf,
  LinkResponseOf,
  LinkTellName,
  LinkTellOf,
} from './link-messages.ts';

/**
 * Messages to one other supernode (DESIGN section 5): each has an id and a deadline, is acknowledged, sent again until then,
 * handled once, and in the order in which it was sent to that supernode.
 */
export interface Links {
  /**
   * Resolves with what the other supernode's handler answered.
   *
   * @throws LinkError LINK_TIMEOUT, LINK_CLOSED, or the code with which the handler refused
   */
  request<Name extends LinkRequestName>(
    to: NodeId,
    name: Name,
    payload: LinkRequestOf<Name>,
    options?: { readonly deadlineMs?: number },
  ): Promise<LinkResponseOf<Name>>;
  /** What nobody waits for. Given up, and counted, when the deadline passes. */
  tell<Name extends LinkTellName>(to: NodeId, name: Name, payload: LinkTellOf<Name>): void;
  /** One handler for each name. */
  onRequest<Name extends LinkRequestName>(
    name: Name,
    handler: (
      payload: LinkRequestOf<Name>,
      from: NodeId,
    ) => Promise<LinkResponseOf<Name>> | LinkResponseOf<Name>,
  ): void;
  onTell<Name extends LinkTellName>(
    name: Name,
    handler: (payload: LinkTellOf<Name>, from: NodeId) => Promise<void> | void,
  ): void;
}

export const LINKS = Symbol('Links');
