/** What the demo tells an edge process to do, and what that answers. Shapes are plain JSON: they cross a process boundary. */
export interface EdgeCommands {
  open: { params: { url: string; dataDir: string; includeLoopback: boolean }; result: null };
  register: { params: { handle: string; displayName: string }; result: { userId: string; ms: number } };
  connect: { params: null; result: null };
  lookup: { params: { handle: string }; result: { userId: string; displayName: string | null } };
  requestContact: { params: { userId: string }; result: null };
  acceptContact: { params: { userId: string }; result: null };
  watch: { params: { userId: string }; result: { state: string } };
  setPresence: { params: { state: 'online' | 'away' | 'busy'; statusText: string }; result: null };
  waitForPresence: {
    params: { userId: string; state: string };
    result: { statusText: string | null; ms: number };
  };
  waitForRequest: { params: { userId: string }; result: null };
  waitForContact: { params: { userId: string }; result: null };
  /** The caller opens the session. */
  openSession: { params: { userId: string; policy: 'any' | 'relay-only' }; result: { setupMs: number } };
  /** The callee waits for it and then takes files into a folder and voice into memory. */
  takeSession: { params: { into: string }; result: { peer: string } };
  streamVoice: { params: { wav: string }; result: VoiceSent };
  sendFile: { params: { path: string }; result: { sha256: string; ms: number } };
  received: {
    params: { expectedFrames: number; record: string; sampleRate: number };
    result: SessionReceived;
  };
  /** QUIC packets that the session received so far; 0 before there is one. */
  packetsReceived: { params: null; result: number };
  paths: { params: null; result: PathChange[] };
  close: { params: null; result: null };
}

export interface VoiceSent {
  readonly frames: number;
  readonly framesSent: number;
  /** The frame that was next when the path changed to direct; null when it never did while voice was sent. */
  readonly sequenceAtSwitch: number | null;
}

export interface SessionReceived {
  readonly framesReceived: number;
  readonly framesRejected: number;
  readonly missingSequences: number[];
  /** The file as it is on the receiver's disk, read back and hashed; null when none came. */
  readonly file: { readonly path: string; readonly bytes: number; readonly sha256: string } | null;
}

export interface PathChange {
  readonly path: string;
  /** Milliseconds since `openSession`, or since the session came in. */
  readonly atMs: number;
}
