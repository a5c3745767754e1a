import type { AdminPrincipal } from './admin-principal.ts';

/** The parts of an HTTP request that the admin API reads, with what its middleware and guard add. */
export interface AdminRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Path and query as they were sent. */
  readonly originalUrl: string;
  traceId?: string;
  principal?: AdminPrincipal;
}

/** The parts of an HTTP response that the admin API writes. */
export interface AdminResponse {
  readonly headersSent: boolean;
  status(code: number): this;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}
