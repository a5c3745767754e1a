import { TurnServerDriver } from '@parley/nat/node';
import { messageOf, SupernodeError } from '../errors.ts';
import type { BoundListener, RelayCommand, RelayReport } from './relay-messages.ts';
import type { RelaySettings } from './relay-settings.ts';
import { TlsFront, type TlsSettings } from './tls-front.ts';

/** The relay side of the message exchange: opens the driver and does what it is told. Runs in a worker thread. */
export class RelayHost {
  private readonly opening: Promise<TurnServerDriver | undefined>;
  private tls: TlsFront | undefined;

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
      case 'open-tls':
        await this.openTls(driver, command.settings);
        break;
      case 'stats': {
        const tls = this.tls?.stats();
        const stats = { ...driver.stats(), ...(tls === undefined ? {} : { tls }) };
        this.report({ kind: 'stats', requestId: command.requestId, stats });
        break;
      }
      case 'stop':
        this.tls?.close();
        await driver.close();
        break;
    }
  }

  private async open(): Promise<TurnServerDriver | undefined> {
    const { listen, relay, realm, allowPeers, quotas, connections, flowLimits } = this.settings;
    try {
      const driver = await TurnServerDriver.open({
        listen,
        turn: { relay, realm, allowPeers, quotas },
        ...(connections === undefined ? {} : { connections }),
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

  private async openTls(driver: TurnServerDriver, settings: TlsSettings): Promise<void> {
    try {
      this.tls = await TlsFront.open(settings, driver, {
        onCertificate: (error) =>
          this.report({ kind: 'tls-certificate', ...(error === undefined ? {} : { error: error.message }) }),
      });
      this.report({ kind: 'tls-ready', listeners: this.tls.bound });
    } catch (error) {
      const isCertificate = error instanceof SupernodeError && error.code === 'SN_TLS_INVALID';
      const message = messageOf(error);
      this.report(
        isCertificate
          ? { kind: 'tls-failed', code: 'SN_TLS_INVALID', message }
          : { kind: 'tls-failed', code: 'SN_LISTEN_FAILED', message: `SUPERNODE_TLS_PORT: ${message}` },
      );
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
