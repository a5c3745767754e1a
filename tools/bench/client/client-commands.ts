/** What a benchmark tells an edge client in a process of its own. Shapes are plain JSON: they cross a process boundary. */
export interface ClientCommands {
  /** Opens the identity in `dataDir` on a fresh socket, registers it the first time, and connects. */
  join: {
    params: { url: string; dataDir: string; handle: string; includeLoopback: boolean };
    result: { userId: string };
  };
  request: { params: { userId: string }; result: null };
  accept: { params: { userId: string }; result: null };
  waitForContact: { params: { userId: string }; result: null };
  /** How long an acknowledged request takes that does nothing. */
  signallingRoundTrip: { params: null; result: { ms: number } };
  /** Opens a session and sends one byte on a stream as soon as that is possible. */
  openSession: { params: { userId: string }; result: { beganAt: number; openAt: number; leftAt: number } };
  /** Waits for a session and for the first byte on it. */
  takeSession: { params: null; result: { firstByteAt: number; path: string } };
  waitForDirect: { params: null; result: { directAt: number } };
  /** Waits for the direct path no longer than that. */
  pathWithin: { params: { ms: number }; result: PathFound };
  closeSession: { params: null; result: null };
  /** Sends datagrams as fast as they are taken. */
  sendDatagrams: { params: { bytes: number; ms: number }; result: { sent: number; cpuMs: number } };
  countDatagrams: { params: { bytes: number }; result: null };
  datagramsCounted: { params: null; result: DatagramCount };
  sendStream: { params: { bytes: number }; result: { sha256: string; cpuMs: number } };
  /** Takes the next stream to its end; hashes it only when asked, since that takes time. */
  receiveStream: { params: { withHash: boolean }; result: StreamReceived };
  leave: { params: null; result: null };
}

export interface PathFound {
  readonly directAt: number | null;
  /** Connectivity checks of all kinds so far. */
  readonly checksSent: number;
}

export interface DatagramCount {
  readonly received: number;
  /** Of another length than was agreed. */
  readonly wrong: number;
  /** From the first to the last. */
  readonly ms: number;
  /** Of the whole process. */
  readonly cpuMs: number;
}

export interface StreamReceived {
  readonly bytes: number;
  readonly sha256: string | null;
  /** From the first byte to the last. */
  readonly ms: number;
  /** Of the whole process. */
  readonly cpuMs: number;
}
