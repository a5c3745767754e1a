import { TurnServerDriver } from '@parley/nat/node';
import { messageOf } from '../errors.ts';
import type { BoundListener, RelayCommand, RelayReport } from './relay-messages.ts';
import type { RelaySettings } from './relay-settings.ts';

/** The relay side of the message exchange: opens the driver and does what it is told. Runs in a worker thread. */
export class RelayHost {
  private readonly opening: Promise<TurnServerDriver | undefined>;

  constructor(
    private readonly settings: RelaySettings,
    private readonly report: (report: RelayReport) => void,
  ) {
    this.opening = this.open();
  }

  /** Commands wait for the listeners, so none is lost that comes before they are bound. */
  async handle(command: RelayCommand): Promise<void> {
    const driver = await this.opening;
    if (driver === undefined) return;
    switch (command.kind) {
      case 'control':
        driver.control(command.input);
        break;
      case 'control-flows':
        driver.controlFlows(command.input);
        break;
      case 'stats':
        this.report({ kind: 'stats', requestId: command.requestId, stats: driver.stats() });
        break;
      case 'stop':
        await driver.close();
        break;
    }
  }

  private async open(): Promise<TurnServerDriver | undefined> {
    const { listen, relay, realm, allowPeers, quotas, flowLimits } = this.settings;
    try {
      const driver = await TurnServerDriver.open({
        listen,
        turn: { relay, realm, allowPeers, quotas },
        flow: {
          ...(flowLimits === undefined ? {} : { limits: flowLimits }),
          onEvent: (event) => this.report({ kind: 'flow-event', event }),
        },
      });
      this.report({ kind: 'ready', ...this.boundBy(driver) });
      return driver;
    } catch (error) {
      this.report({ kind: 'failed', message: messageOf(error) });
      return undefined;
    }
  }

  private boundBy(
    driver: TurnServerDriver,
  ): Pick<Extract<RelayReport, { kind: 'ready' }>, 'listeners' | 'alternatePorts'> {
    const listeners: BoundListener[] = [];
    const alternatePorts: (number | undefined)[] = [];
    for (const [index, { primary, alternatePort }] of driver.listeners.entries()) {
      const address = this.settings.listen[index]?.publicAddress ?? primary.address;
      listeners.push({ bound: primary, visible: { ...primary, address } });
      alternatePorts.push(alternatePort);
    }
    return { listeners, alternatePorts };
  }
}
