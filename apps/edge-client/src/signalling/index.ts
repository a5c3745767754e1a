/** `@parley/edge-client/signalling`: how a client finds and finds again its supernode, for programs that are many clients at once. */
export { DEFAULT_BACKOFF, type BackoffOptions } from './backoff.ts';
export {
  ConnectionCore,
  type ConnectionCoreOptions,
  type ConnectionInput,
  type ConnectionOutput,
} from './connection-core.ts';
export type { ConnectionChange, ConnectionState } from './connection-state.ts';
