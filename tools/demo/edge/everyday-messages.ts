/** What the demo tells a process of the everyday scenario to do. Shapes are plain JSON: they cross a process boundary. */
export interface EverydayCommands {
  open: { params: { url: string; dataDir: string; includeLoopback: boolean }; result: null };
  register: { params: { handle: string }; result: { userId: string } };
  connect: { params: null; result: null };
  /** A new device shows its code; `linked` waits until a device of the account took it in. */
  linkCode: { params: null; result: { code: string } };
  approveLink: { params: { code: string; name: string }; result: null };
  linked: { params: null; result: null };
  requestContact: { params: { handle: string }; result: { userId: string } };
  acceptContact: { params: { userId: string }; result: null };
  /** Resolves when every copy is stored. */
  sendMessage: { params: { userId: string; text: string }; result: { id: string } };
  /** Waits for the first message, then until nothing more comes for a while; tells every time it was handed over. */
  messages: { params: { quietMs: number }; result: { id: string; text: string }[] };
  /** Rings at the callee until one device answers; plays the file; hangs up at its end. */
  call: { params: { userId: string; wav: string }; result: CallReport };
  /** Waits until a call rings here. */
  ringing: { params: null; result: null };
  /** Answers the call that rings and waits for its end. */
  answer: { params: { record: string }; result: CallReport };
  /** Does not answer, and waits until the call is over here. */
  letRing: { params: null; result: CallReport };
  history: { params: null; result: { sessionId: string; outcome: string | null }[] };
  close: { params: null; result: null };
}

export interface CallReport {
  readonly cause: string;
  readonly outcome: string | null;
  readonly rangMs: number | null;
  readonly durationMs: number;
  /** Estimated mean opinion score of what this end heard; null when it heard nothing. */
  readonly mos: number | null;
  /** Frames of the other end that were heard: played or recovered, not made up. */
  readonly framesHeard: number;
}
