import { Injectable } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import type { NodeId } from '../cluster/node-record.ts';
import { SupernodeError } from '../errors.ts';
import { LinkHandlers } from './link-handlers.ts';
import type {
  LinkRequestName,
  LinkRequestOf,
  LinkResponseOf,
  LinkTellName,
  LinkTellOf,
} from './link-messages.ts';
import type { Links, TellOptions } from './links.port.ts';

/** Links of a supernode that is alone: to itself only. */
@Injectable()
export class SoleLinks implements Links {
  private readonly handlers = new LinkHandlers();
  readonly onRequest = this.handlers.onRequest;
  readonly onTell = this.handlers.onTell;

  constructor(
    private readonly self: NodeId,
    private readonly background: BackgroundTasks,
  ) {}

  async request<Name extends LinkRequestName>(
    to: NodeId,
    name: Name,
    payload: LinkRequestOf<Name>,
  ): Promise<LinkResponseOf<Name>> {
    const handle = to === this.self ? this.handlers.forRequest(name) : undefined;
    if (!handle) throw new SupernodeError('SN_LINK_CLOSED', 'There is no link to that supernode.');
    return (await handle(payload, this.self)) as LinkResponseOf<Name>;
  }

  tell<Name extends LinkTellName>(
    to: NodeId,
    name: Name,
    payload: LinkTellOf<Name>,
    options: TellOptions = {},
  ): void {
    const handle = to === this.self ? this.handlers.forTell(name) : undefined;
    if (!handle) options.onLost?.('closed');
    else
      void this.background.attempt(`handling ${name}`, async () => {
        await handle(payload, this.self);
      });
  }

  close(): void {
    // There is nobody to leave.
  }
}
