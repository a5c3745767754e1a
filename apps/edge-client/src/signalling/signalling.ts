import type {
  ClientRequestName,
  EventOf,
  RequestInputOf,
  ResponseOf,
  ServerEventName,
} from '@parley/protocol';

export interface RequestOptions {
  /** Milliseconds until EDGE_REQUEST_TIMEOUT. @default 10 000 */
  readonly timeoutMs?: number | undefined;
}

/** One request to the supernode, answered by data or by a typed error. */
export type SendRequest = <Name extends ClientRequestName>(
  name: Name,
  payload: RequestInputOf<Name>,
  options?: RequestOptions,
) => Promise<ResponseOf<Name>>;

/** What the SDK's concerns see of the connection. Events are validated and free of duplicates. */
export interface Signalling {
  readonly request: SendRequest;
  /** Whether a request has a chance now. */
  readonly isOnline: boolean;
  onEvent<Name extends ServerEventName>(name: Name, listener: (event: EventOf<Name>) => void): () => void;
}
