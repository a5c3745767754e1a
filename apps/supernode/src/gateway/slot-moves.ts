import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { BackgroundTasks } from '../background-tasks.ts';
import { OWNERSHIP, type Ownership } from '../cluster/ownership.port.ts';
import { Metrics } from '../observability/metrics.ts';
import { Departures } from './departures.ts';
import { DeviceChannels } from './device-channels.ts';

/** Follows the roster: devices whose home is another supernode from now on are sent there. */
@Injectable()
export class SlotMoves implements OnModuleInit, OnApplicationShutdown {
  private stopFollowing: () => void = () => undefined;
  private readonly redirected;

  constructor(
    @Inject(OWNERSHIP) private readonly ownership: Ownership,
    private readonly channels: DeviceChannels,
    private readonly departures: Departures,
    private readonly tasks: BackgroundTasks,
    metrics: Metrics,
  ) {
    this.redirected = metrics.counter(
      'edge_redirects_total',
      'Connections whose user moved to another supernode',
    );
  }

  onModuleInit(): void {
    this.stopFollowing = this.ownership.onChange((change) => {
      const connections = this.channels.follow(change);
      this.redirected.inc(connections.length);
      void this.tasks.attempt('Redirecting clients', () => this.departures.send(connections, 'redirect'));
    });
  }

  onApplicationShutdown(): void {
    this.stopFollowing();
  }
}
