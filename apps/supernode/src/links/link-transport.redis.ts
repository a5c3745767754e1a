import type { NodeId } from '../cluster/node-record.ts';
import type { RedisConnection } from '../redis/redis-connection.redis.ts';
import type { RedisKeys } from '../redis/redis-keys.ts';
import type { LinkTransport } from './link-transport.port.ts';

/** Redis pub/sub with one channel for each supernode: nothing is sent to who is not meant. */
export class RedisLinkTransport implements LinkTransport {
  private channel: string | undefined;

  constructor(
    private readonly redis: Pick<RedisConnection, 'publish' | 'subscribe' | 'unsubscribe'>,
    private readonly keys: Pick<RedisKeys, 'linkChannel'>,
  ) {}

  async open(nodeId: NodeId, receive: (text: string) => void): Promise<void> {
    this.channel = this.keys.linkChannel(nodeId);
    await this.redis.subscribe(this.channel, receive);
  }

  async publish(to: NodeId, text: string): Promise<void> {
    await this.redis.publish(this.keys.linkChannel(to), text);
  }

  async close(): Promise<void> {
    if (this.channel !== undefined) await this.redis.unsubscribe(this.channel);
  }
}
