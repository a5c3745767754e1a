/** What the benchmark of the directory tells the process of a device that holds something. Plain JSON: it crosses a process boundary. */
export interface HolderCommands {
  register: { params: { url: string; handle: string }; result: { userId: string } };
  /** At its home. */
  signIn: { params: { url: string }; result: null };
  accept: { params: { userId: string }; result: null };
  /** Says that it holds something, and again in time for as long as it lives. */
  hold: { params: { kind: string; key: string; ttlMs: number }; result: null };
}
