/** What the benchmark of connections tells a process of clients. Plain JSON: it crosses a process boundary. */
export interface ConnectionCommands {
  register: { params: { url: string; count: number }; result: null };
  /** So many users sign in, a few at a time; with the milliseconds that it took. */
  signIn: { params: { from: number; count: number }; result: { ms: number } };
  /** Connections that sign in nowhere, to a server that asks for nothing. */
  connect: { params: { url: string; count: number }; result: { ms: number } };
  /** Ends all connections. */
  leave: { params: null; result: null };
}
