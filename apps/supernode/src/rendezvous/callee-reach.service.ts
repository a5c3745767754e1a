import { Inject, Injectable } from '@nestjs/common';
import type { DeviceId, UserId } from '@parley/protocol';
import { PaddedRefusals } from '../clock/padded-refusals.ts';
import { CONTACT_BOOK, type ContactBook } from '../contacts/contact-book.port.ts';
import { isMutual } from '../contacts/contact-relation.ts';
import type { Caller } from '../identity/caller.ts';
import { ReachableDevices } from './reachable-devices.service.ts';

export interface Reach {
  /** Devices that an offer of this caller may be shown on now. */
  readonly devices: readonly DeviceId[];
  readonly areContacts: boolean;
  readonly callerKnowsCallee: boolean;
}

/** What a call wants besides: to know when nobody can be reached, and whether the two are contacts then. */
export interface CallReach {
  nobody(areContacts: boolean): void;
}

/** On which devices of a user a caller's offer may appear: none for who is blocked, and none of who hides. */
@Injectable()
export class CalleeReach {
  constructor(
    @Inject(CONTACT_BOOK) private readonly contacts: ContactBook,
    private readonly reachable: ReachableDevices,
    private readonly padded: PaddedRefusals,
  ) {}

  /**
   * The devices of `named` that may be reached; a call rings for contacts only. A contact without any is refused, alike and
   * after the same delay whether the callee is offline, hides or has blocked the caller. A stranger is never refused: that
   * would tell it something.
   *
   * @throws Refusal PEER_UNAVAILABLE
   */
  async of(caller: Caller, callee: UserId, named: readonly DeviceId[], call?: CallReach): Promise<Reach> {
    let areContacts = false;
    const look = async (): Promise<Reach | undefined> => {
      const reach = await (callee === caller.userId ? this.ofOneself(caller) : this.ofOther(caller, callee));
      areContacts = reach.areContacts;
      const shown = call && !areContacts ? [] : reach.devices;
      const devices = shown.filter((device) => named.includes(device) && device !== caller.deviceId);
      return devices.length > 0 || !reach.callerKnowsCallee ? { ...reach, devices } : undefined;
    };
    return this.padded.foundOrRefused('PEER_UNAVAILABLE', look, () => call?.nobody(areContacts));
  }

  private async ofOneself({ tenant, userId }: Caller): Promise<Reach> {
    const { devices } = await this.reachable.of(tenant, userId);
    return { devices, areContacts: true, callerKnowsCallee: true };
  }

  private async ofOther({ tenant, userId }: Caller, callee: UserId): Promise<Reach> {
    const [relations, { devices, isHidden }] = await Promise.all([
      this.contacts.relations(tenant, userId, [callee]),
      this.reachable.of(tenant, callee),
    ]);
    const sides = relations.get(callee);
    const isBlocked = sides?.theirs === 'blocked' || sides?.mine === 'blocked';
    return {
      devices: isBlocked || isHidden ? [] : devices,
      areContacts: isMutual(sides),
      callerKnowsCallee: sides?.mine === 'accepted',
    };
  }
}
