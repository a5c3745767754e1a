/** What the relay benchmark tells the process with the relay. Plain JSON: it crosses a process boundary. */
export interface RelayServerCommands {
  /** Two flows with fresh keys, paired. Bytes are base64. */
  admit: {
    params: null;
    result: {
      port: number;
      username: string;
      password: string;
      flows: { flowId: string; key: string }[];
      relayId: string;
    };
  };
  /** Processor time of the process so far, and what its relay dropped. */
  cost: { params: null; result: { cpuMs: number; drops: number } };
}
