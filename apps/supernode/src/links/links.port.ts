import type { NodeId } from '../cluster/node-record.ts';
import type {
  LinkRequestName,
  LinkRequestOf,
  LinkResponseOf,
  LinkTellName,
  LinkTellOf,
} from './link-messages.ts';

/** Why a message was given up: too old, the other supernode started anew or left, or too much waits for it. */
export type LinkLoss = 'expired' | 'restarted' | 'closed' | 'overloaded';

export interface TellOptions {
  readonly deadlineMs?: number;
  /**
   * Called when the message was given up. Where the other supernode started anew the message may have been handled by the one
   * before.
   */
  readonly onLost?: (loss: LinkLoss) => void;
}

/**
 * Messages to one other supernode (DESIGN section 5): each has an id and a deadline, is acknowledged, sent again until then,
 * handled once, and in the order in which it was sent to that supernode.
 */
export interface Links {
  /**
   * Resolves with what the other supernode's handler answered.
   *
   * @throws SupernodeError SN_LINK_TIMEOUT, SN_LINK_CLOSED, SN_LINK_OVERLOADED, SN_LINK_REFUSED
   * @throws Refusal where the handler threw one
   */
  request<Name extends LinkRequestName>(
    to: NodeId,
    name: Name,
    payload: LinkRequestOf<Name>,
    options?: { readonly deadlineMs?: number },
  ): Promise<LinkResponseOf<Name>>;
  /** What nobody waits for. Given up, and counted, when the deadline passes. */
  tell<Name extends LinkTellName>(
    to: NodeId,
    name: Name,
    payload: LinkTellOf<Name>,
    options?: TellOptions,
  ): void;
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
  /** A supernode has no seat any more: nothing waits for it any longer, and who waited is told at once. */
  close(nodeId: NodeId): void;
}

export const LINKS = Symbol('Links');
