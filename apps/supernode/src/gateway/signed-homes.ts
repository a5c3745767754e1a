import { Inject, Injectable } from '@nestjs/common';
import type { Signed } from '@parley/protocol';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import type { UserAddress } from '../identity/connection-context.ts';
import { HomesSigner } from '../identity/homes-signer.ts';
import type { Connection } from './connection.ts';
import { UserHomes } from './user-homes.ts';

/** What clients keep of their user's homes, and when they are told anew. */
@Injectable()
export class SignedHomes {
  /** What a connection was told last. */
  private readonly told = new WeakMap<Connection, string>();

  constructor(
    @Inject(OWNERSHIP) private readonly ownership: Ownership,
    private readonly homes: UserHomes,
    private readonly signer: HomesSigner,
  ) {}

  /** Null where there is no other supernode that a client could go to. */
  for(connection: Connection, user: UserAddress): Signed[] | null {
    const tenure = this.homes.tenureOf(user);
    if (!tenure || this.homes.alternatesOf(user).length === 0) {
      // Told of none: the first other supernode is news.
      if (!this.told.has(connection)) this.told.set(connection, '');
      return null;
    }
    const homes = this.ownership.homesOf(user.tenant, user.userId);
    this.told.set(connection, homes.join(' '));
    return this.signer.sign(user, homes, tenure.epoch);
  }

  /** Sends the homes of the user who is signed in, if they are others than this connection was told. */
  refresh(connection: Connection): void {
    const user = connection.device?.caller;
    if (!user) return;
    const homes = this.ownership.homesOf(user.tenant, user.userId).join(' ');
    if (homes === (this.told.get(connection) ?? homes)) return;
    const signed = this.for(connection, user);
    if (signed) connection.send('homes.changed', { homes: signed });
  }
}
