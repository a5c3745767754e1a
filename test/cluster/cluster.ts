import { ProcessGroup } from './process-group.ts';
import { readRoster, type ObservedRoster } from './observed-roster.ts';
import { PostgresServer, type DatabaseConnection } from './postgres-server.ts';
import { RedisServer } from './redis-server.ts';
import { SupernodeNode } from './supernode-node.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { LOOPBACK, until } from './waiting.ts';
import { ClusterError } from './errors.ts';

export interface ClusterOptions {
  /** @default 3 */
  readonly supernodes?: number;
  /** For every supernode; or, where they differ, for each of them, counted from 0. */
  readonly env?: Environment | ((at: number) => Environment);
  /** Whether each supernode reaches Redis and the database by ways of its own that can be cut. @default false */
  readonly hasProxies?: boolean;
}

type Environment = Readonly<Record<string, string>>;

/** How one supernode reaches what it shares with the others. */
export interface StoreLinks {
  readonly redis: TcpProxy;
  readonly database: TcpProxy;
}

/** Redis, PostgreSQL and supernodes, all real processes on loopback. */
export class Cluster {
  readonly #group: ProcessGroup;
  readonly #links: ReadonlyMap<string, StoreLinks>;

  private constructor(
    group: ProcessGroup,
    readonly redis: RedisServer,
    readonly postgres: PostgresServer,
    /** To look at rows, past all proxies. It ends with the database. */
    public database: DatabaseConnection,
    readonly nodes: readonly SupernodeNode[],
    links: ReadonlyMap<string, StoreLinks>,
  ) {
    this.#group = group;
    this.#links = links;
  }

  /** @throws ClusterError PROGRAM_MISSING, START_FAILED; nothing is left then */
  static async start({
    supernodes = 3,
    env = {},
    hasProxies = false,
  }: ClusterOptions = {}): Promise<Cluster> {
    const group = await ProcessGroup.open();
    try {
      const [redis, postgres] = await Promise.all([RedisServer.start(group), PostgresServer.start(group)]);
      const links = new Map<string, StoreLinks>();
      const nodes: SupernodeNode[] = [];
      for (let at = 1; at <= supernodes; at += 1) {
        const nodeId = `node-${at}`;
        if (hasProxies) {
          const [toRedis, toDatabase] = [await TcpProxy.open(redis.port), await TcpProxy.open(postgres.port)];
          links.set(nodeId, { redis: toRedis, database: toDatabase });
        }
        const link = links.get(nodeId);
        const settings = {
          nodeId,
          redisUrl: `redis://${LOOPBACK}:${link?.redis.port ?? redis.port}`,
          databaseUrl: postgres.urlAt(link?.database.port ?? postgres.port),
          env: typeof env === 'function' ? env(at - 1) : env,
        };
        nodes.push(await SupernodeNode.create(group, settings));
      }
      await Promise.all(nodes.map((node) => node.start()));
      return new Cluster(group, redis, postgres, await postgres.connect(), nodes, links);
    } catch (thrown) {
      await group.close();
      throw thrown;
    }
  }

  /** By its name or by the address of its edge gateway. */
  node(name: string): SupernodeNode {
    const found = this.nodes.find(({ nodeId, url }) => nodeId === name || url === name.replace(/\/$/, ''));
    if (!found) throw new TypeError(`there is no supernode ${name}`);
    return found;
  }

  links(nodeId: string): StoreLinks {
    const links = this.#links.get(nodeId);
    if (!links) throw new TypeError('the cluster was started without proxies');
    return links;
  }

  async roster(): Promise<ObservedRoster> {
    const roster = await readRoster(this.database);
    if (!roster) throw new ClusterError('DEADLINE', 'there is no roster yet');
    return roster;
  }

  /** Resolves with the first roster that is as wanted. @throws ClusterError DEADLINE */
  untilRoster(
    what: string,
    isWanted: (roster: ObservedRoster) => boolean,
    deadlineMs?: number,
  ): Promise<ObservedRoster> {
    return until(
      what,
      async () => {
        const roster = await readRoster(this.database);
        return roster && isWanted(roster) ? roster : undefined;
      },
      deadlineMs,
    );
  }

  /** A roster in which so many supernodes have a seat, all of them runs that live now. */
  untilSeats(count: number, deadlineMs?: number): Promise<ObservedRoster> {
    return this.untilRoster(
      `a roster of ${count} seats`,
      ({ seats }) => seats.length === count && seats.every(({ nodeId }) => this.node(nodeId).isRunning),
      deadlineMs,
    );
  }

  /** Kills the database, starts it again, and looks at it over a new connection. */
  async restartDatabase(whileDown: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this.postgres.kill();
    await whileDown();
    await this.postgres.start();
    this.database = await this.postgres.connect();
  }

  /** The ends of all logs, for the report of a failure. */
  async logTails(): Promise<string> {
    const tails = await Promise.all(
      this.nodes.map(async (node) => `== ${node.nodeId}\n${await node.logTail()}`),
    );
    return tails.join('\n');
  }

  async close(): Promise<void> {
    await this.database.end().catch(() => undefined);
    await Promise.all(
      [...this.#links.values()].flatMap(({ redis, database }) => [redis.close(), database.close()]),
    );
    await this.#group.close();
  }
}
