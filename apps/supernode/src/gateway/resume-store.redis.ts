import {
  deviceIdSchema,
  LIMITS,
  tenantIdSchema,
  userIdSchema,
  type TenantId,
  type UserId,
} from '@parley/protocol';
import type { Tenure } from '../cluster/ownership.port.ts';
import { deviceKey, type DeviceAddress } from '../identity/caller.ts';
import { isStoreUnavailable } from '../persistence/store-unavailable.ts';
import type { RedisCommands, RedisReply } from '../redis/redis-commands.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import { listOf, numberOf, textOf, textsOf } from '../redis/redis-replies.ts';
import type { RedisScript } from '../redis/redis-script.ts';
import {
  APPEND_RESUME,
  CLOSE_RESUME,
  MARK_RESUME,
  OPEN_RESUME,
  READ_RESUME,
  TAKE_OVER_RESUME,
  TRIM_RESUME,
} from './resume-scripts.ts';
import type { ResumeEvent, ResumeRecord, ResumeStore, TakeOver } from './resume-store.port.ts';

/** After the last heartbeat that the supernode wrote. */
const STORED_MS = LIMITS.resumeWindowMs + 60_000;
/** Noted again each hour that the device stays. */
const TOKEN_STORED_MS = 6 * 3600_000;
/** By what the script answers. */
const TAKE_OVERS: readonly TakeOver[] = ['gone', 'taken', 'changed'];

/** Events of one device that left in one turn. */
interface Batch {
  readonly tenure: Tenure;
  readonly events: ResumeEvent[];
  readonly added: Promise<readonly boolean[]>;
  readonly send: () => void;
}

/**
 * Resume state of all devices of a cluster. All of a user's lies in the user's slot; the hash of a token leads to the device. Events
 * that leave in one turn of the event loop take one round trip together.
 */
export class RedisResumeStore implements ResumeStore {
  /** By device; each is gone within a turn. */
  private readonly batches = new Map<string, Batch>();

  constructor(
    private readonly redis: RedisCommands,
    private readonly keys: RedisKeys,
  ) {}

  async open(
    device: DeviceAddress,
    { tokenHash, isLinked }: { readonly tokenHash: string; readonly isLinked: boolean },
    tenure: Tenure,
  ): Promise<boolean> {
    const args = [device.deviceId, tokenHash, isLinked ? '1' : '0'];
    const [replaced] = await Promise.all([
      this.write(OPEN_RESUME, device, tenure, args, [this.keys.fence(tenure.slot)]),
      this.noteToken(tokenHash, device),
    ]);
    // Of a device that may not be opened here, the token that was just noted leads nowhere.
    await this.forgetToken(replaced === 0 ? tokenHash : replaced);
    return replaced !== 0;
  }

  async append(device: DeviceAddress, event: ResumeEvent, tenure: Tenure): Promise<boolean> {
    const key = deviceKey(device);
    let batch = this.batches.get(key);
    if (batch && batch.tenure.epoch !== tenure.epoch) {
      batch.send();
      batch = undefined;
    }
    batch ??= this.beginBatch(device, tenure);
    const index = batch.events.push(event) - 1;
    return (await batch.added)[index] ?? false;
  }

  async trim(device: DeviceAddress, sequence: number, tenure: Tenure): Promise<void> {
    const dueToken = await this.write(TRIM_RESUME, device, tenure, [String(sequence)]);
    if (typeof dueToken === 'string' && dueToken !== '') await this.noteToken(dueToken, device);
  }

  async link(device: DeviceAddress, tenure: Tenure): Promise<void> {
    await this.write(MARK_RESUME, device, tenure, ['l', '1']);
  }

  async find(tokenHash: string): Promise<ResumeRecord | undefined> {
    const key = this.keys.resumeToken(tokenHash);
    const noted = await this.redis.command(key, ['GET', key]);
    if (typeof noted !== 'string') return undefined;
    const device = addressIn(noted);
    const [found] = await this.read(device.tenant, device.userId, [device.deviceId]);
    // A token outlives its record, and the device may have a newer one.
    return found?.tokenHash === tokenHash ? found.record : undefined;
  }

  async ofUser(tenant: TenantId, userId: UserId): Promise<readonly ResumeRecord[]> {
    return (await this.read(tenant, userId, [])).map(({ record }) => record);
  }

  async takeOver(
    device: DeviceAddress,
    { read, sequence }: { readonly read: number; readonly sequence: number },
    tenure: Tenure,
  ): Promise<TakeOver> {
    const args = [sequence, read].map(String);
    const answer = numberOf(await this.write(TAKE_OVER_RESUME, device, tenure, args));
    return TAKE_OVERS[answer] ?? 'gone';
  }

  async seal(device: DeviceAddress, tenure: Tenure): Promise<void> {
    await this.write(MARK_RESUME, device, tenure, ['z', '1']);
  }

  async close(device: DeviceAddress, tenure: Tenure): Promise<void> {
    await this.forgetToken(await this.write(CLOSE_RESUME, device, tenure, [device.deviceId]));
  }

  private beginBatch(device: DeviceAddress, tenure: Tenure): Batch {
    const events: ResumeEvent[] = [];
    let send: () => void = () => undefined;
    const turn = new Promise<void>((resolve) => (send = resolve));
    queueMicrotask(send);
    const added = turn.then(() => {
      if (this.batches.get(deviceKey(device)) === batch) this.batches.delete(deviceKey(device));
      return this.sendBatch(device, tenure, events);
    });
    const batch = { tenure, events, added, send };
    this.batches.set(deviceKey(device), batch);
    return batch;
  }

  private async sendBatch(
    device: DeviceAddress,
    tenure: Tenure,
    events: readonly ResumeEvent[],
  ): Promise<readonly boolean[]> {
    const flat = events.flatMap(({ sequence, name, payload }) => [
      String(sequence),
      JSON.stringify([name, payload]),
    ]);
    const args = [String(LIMITS.maxResumeEvents), ...flat];
    const added = await this.redis.run(APPEND_RESUME, this.keysOf(device), [...fence(tenure), ...args]);
    return added === 0 ? events.map(() => false) : listOf(added).map((one) => one === 1);
  }

  private async write(
    script: RedisScript,
    device: DeviceAddress,
    tenure: Tenure,
    args: readonly string[],
    furtherKeys: readonly string[] = [],
  ): Promise<RedisReply> {
    // What was appended before goes before.
    this.batches.get(deviceKey(device))?.send();
    await Promise.resolve();
    const keys = [...this.keysOf(device), ...furtherKeys];
    return this.redis.run(script, keys, [...fence(tenure), ...args]);
  }

  private async noteToken(tokenHash: string, { tenant, userId, deviceId }: DeviceAddress): Promise<void> {
    const key = this.keys.resumeToken(tokenHash);
    const device = JSON.stringify([tenant, userId, deviceId]);
    await this.redis.command(key, ['SET', key, device, 'PX', String(TOKEN_STORED_MS)]);
  }

  /** A token without its record says nothing, and would lie about for hours. */
  private async forgetToken(tokenHash: RedisReply): Promise<void> {
    if (typeof tokenHash !== 'string' || tokenHash === '') return;
    const key = this.keys.resumeToken(tokenHash);
    try {
      await this.redis.command(key, ['DEL', key]);
    } catch (error) {
      // What went before is done, and the key goes by itself.
      if (!isStoreUnavailable(error)) throw error;
    }
  }

  private async read(
    tenant: TenantId,
    userId: UserId,
    devices: readonly string[],
  ): Promise<readonly { readonly tokenHash: string; readonly record: ResumeRecord }[]> {
    const prefixes = [this.keys.resumePrefix(tenant, userId), this.keys.resumeEventsPrefix(tenant, userId)];
    const key = this.keys.resumableDevices(tenant, userId);
    const records = listOf(await this.redis.run(READ_RESUME, [key], [...prefixes, ...devices]));
    return records.map((reply) => {
      const [deviceId, fields, events] = listOf(reply);
      const [tokenHash, isLinked, sequence, completeSince, epoch, isSealed] = listOf(fields);
      const record: ResumeRecord = {
        device: { tenant, userId, deviceId: deviceIdSchema.parse(deviceId) },
        isLinked: isLinked === '1',
        sequence: numberOf(sequence),
        completeSince: numberOf(completeSince),
        events: textsOf(events).map(eventIn),
        epoch: numberOf(epoch),
        isSealed: isSealed === '1',
      };
      return { tokenHash: textOf(tokenHash), record };
    });
  }

  private keysOf(device: DeviceAddress): readonly string[] {
    const devices = this.keys.resumableDevices(device.tenant, device.userId);
    return [this.keys.resume(device), this.keys.resumeEvents(device), devices];
  }
}

function fence({ epoch }: Tenure): readonly string[] {
  return [String(epoch), String(STORED_MS)];
}

function addressIn(noted: string): DeviceAddress {
  const [tenant, userId, deviceId] = JSON.parse(noted) as readonly unknown[];
  return {
    tenant: tenantIdSchema.parse(tenant),
    userId: userIdSchema.parse(userId),
    deviceId: deviceIdSchema.parse(deviceId),
  };
}

function eventIn(stored: string): ResumeEvent {
  const space = stored.indexOf(' ');
  const [name, payload] = JSON.parse(stored.slice(space + 1)) as [ResumeEvent['name'], unknown];
  return { sequence: Number(stored.slice(0, space)), name, payload };
}
