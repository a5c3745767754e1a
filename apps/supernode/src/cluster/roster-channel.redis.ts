import { z } from 'zod';
import type { Metrics } from '../observability/metrics.ts';
import type { RedisConnection } from '../redis/redis-connection.redis.ts';
import { packSlots, unpackSlots } from './packed-slots.ts';
import type { RosterChannel } from './roster-channel.port.ts';
import { isWholeRoster, seatsSchema, type Roster } from './roster.ts';

const announcementSchema = z.object({
  epoch: z.int(),
  coordinator: z.string(),
  writtenAt: z.number(),
  seats: seatsSchema,
  owners: z.base64(),
  slotEpochs: z.base64(),
});

/** One channel of the cluster, over pub/sub: lost announcements are made up for by polling. */
export class RedisRosterChannel implements RosterChannel {
  constructor(
    private readonly redis: Pick<RedisConnection, 'publish' | 'subscribe'>,
    private readonly channel: string,
    private readonly metrics: Pick<Metrics, 'drop'>,
  ) {}

  async announce(roster: Roster): Promise<void> {
    const { owners, slotEpochs } = packSlots(roster);
    const announcement: z.infer<typeof announcementSchema> = {
      epoch: roster.epoch,
      coordinator: roster.coordinator,
      writtenAt: roster.writtenAt,
      seats: [...roster.seats],
      owners: Buffer.from(owners).toString('base64'),
      slotEpochs: Buffer.from(slotEpochs).toString('base64'),
    };
    await this.redis.publish(this.channel, JSON.stringify(announcement));
  }

  listen(listener: (roster: Roster) => void): Promise<void> {
    return this.redis.subscribe(this.channel, (message) => {
      const roster = rosterFrom(message);
      if (roster === undefined) this.metrics.drop('cluster', 'malformed-roster');
      else listener(roster);
    });
  }
}

/** Undefined where it is no roster: of a later version, say. */
function rosterFrom(message: string): Roster | undefined {
  const parsed = announcementSchema.safeParse(jsonOf(message));
  if (!parsed.success) return undefined;
  const { owners, slotEpochs, ...rest } = parsed.data;
  const slots = unpackSlots({
    owners: Buffer.from(owners, 'base64'),
    slotEpochs: Buffer.from(slotEpochs, 'base64'),
  });
  const roster = { ...rest, ...slots };
  return isWholeRoster(roster) ? roster : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
