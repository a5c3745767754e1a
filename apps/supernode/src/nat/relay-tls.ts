import type { Scheduler } from '../clock/scheduler.port.ts';
import { SupernodeError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { RelayCommand, TlsReport } from './relay-messages.ts';
import type { BoundTls, TlsSettings } from './tls-front.ts';

/** What takes the port, or the certificate away, may be over by then. */
const RETRY_MS = 5_000;

/** The main thread's side of the TLS port, which the relay thread has: opened once, and again by every later thread. */
export class RelayTls {
  private settings: TlsSettings | undefined;
  private opening:
    { resolve: (bound: readonly BoundTls[]) => void; reject: (error: Error) => void } | undefined;
  private listeners: readonly BoundTls[] = [];
  private cancelRetry: (() => void) | undefined;

  constructor(
    private readonly post: (command: RelayCommand) => void,
    private readonly logger: Logger,
    private readonly scheduler: Scheduler,
  ) {}

  /** Empty until it is open; also while the thread is being started again. */
  get bound(): readonly BoundTls[] {
    return this.listeners;
  }

  /** @throws SupernodeError `SN_TLS_INVALID`, `SN_LISTEN_FAILED` */
  open(settings: TlsSettings): Promise<readonly BoundTls[]> {
    return new Promise((resolve, reject) => {
      this.settings = settings;
      this.opening = { resolve, reject };
      this.replay();
    });
  }

  /** For a thread that knows nothing yet. */
  replay(): void {
    this.cancelRetry?.();
    if (this.settings !== undefined) this.post({ kind: 'open-tls', settings: this.settings });
  }

  close(): void {
    this.cancelRetry?.();
  }

  receive(report: TlsReport): void {
    switch (report.kind) {
      case 'tls-ready':
        this.ready(report.listeners);
        break;
      case 'tls-failed':
        this.failed(report);
        break;
      case 'tls-certificate':
        if (report.error === undefined) this.logger.info('TLS certificate loaded again');
        else
          this.logger.warn(
            { reason: report.error },
            'the new TLS certificate cannot be used; the old one stays',
          );
        break;
    }
  }

  private ready(listeners: readonly BoundTls[]): void {
    const [first] = listeners;
    this.listeners = listeners;
    // Clients know this port by now: a later thread must have the same.
    if (this.settings !== undefined && first !== undefined)
      this.settings = { ...this.settings, port: first.port };
    this.opening?.resolve(listeners);
    this.opening = undefined;
  }

  private failed({ code, message }: Extract<TlsReport, { kind: 'tls-failed' }>): void {
    if (this.opening === undefined) {
      this.logger.error(
        { reason: message, retryMs: RETRY_MS },
        'relay thread has no TLS port; trying it again',
      );
      this.cancelRetry = this.scheduler.after(RETRY_MS, () => this.replay());
    }
    this.opening?.reject(new SupernodeError(code, message));
    this.opening = undefined;
  }
}
