/** What crosses the IPC channel between two processes; parameters and results are plain JSON. */
export interface CommandRequest {
  readonly id: number;
  readonly command: string;
  readonly params: unknown;
}

export type CommandReply =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly message: string };

/** The commands of one kind of process, by name. */
export type CommandsOf<Self> = { readonly [Name in keyof Self]: { params: unknown; result: unknown } };

/** How a process carries its commands out. */
export type CommandHandlers<Commands extends CommandsOf<Commands>> = {
  readonly [Name in keyof Commands]: (params: Commands[Name]['params']) => Promise<Commands[Name]['result']>;
};
