/** What the benchmark of calls tells a device in a process of its own. Shapes are plain JSON: they cross a process boundary. */
export interface CallCommands {
  /** Opens a device with an identity of its own in `dataDir`. */
  open: { params: { url: string; dataDir: string; includeLoopback: boolean }; result: null };
  /** Registers a user and connects. */
  register: { params: { handle: string }; result: { userId: string; deviceId: string } };
  linkCode: { params: null; result: { code: string } };
  approveLink: { params: { code: string; name: string }; result: null };
  /** Waits until another device approved this one, and connects. */
  linked: { params: null; result: { userId: string; deviceId: string } };
  request: { params: { userId: string }; result: null };
  accept: { params: { userId: string }; result: null };
  waitForContact: { params: { userId: string }; result: null };
  /** How long an acknowledged request takes that does nothing. */
  signallingRoundTrip: { params: null; result: { ms: number } };
  /** Calls, and waits until so many devices are known to ring. */
  propose: { params: { userId: string; devices: number }; result: Proposed };
  /** Waits until a call rings here. */
  ringing: { params: null; result: { callId: string; ringingAt: number } };
  /** Accepts what rings, and waits until it is active. */
  answer: { params: null; result: { acceptedAt: number; activeAt: number } };
  /** Waits until the call that this device made is active. */
  active: { params: null; result: { activeAt: number; deviceId: string } };
  hangUp: { params: null; result: null };
  /** Waits for the end of the call, and forgets it. */
  over: { params: null; result: CallOver };
}

export interface Proposed {
  readonly callId: string;
  readonly proposedAt: number;
  /** When the caller learned of the first device that rings. */
  readonly ringingAt: number;
}

export interface CallOver {
  readonly overAt: number;
  readonly cause: string;
  readonly outcome: string | null;
  readonly wasActive: boolean;
}
