/** A text that says which message it is; of the length of a few sentences. */
export interface NumberedText {
  readonly round: string;
  /** Place of the sending client, which is that of the receiving one too. */
  readonly client: number;
  readonly number: number;
  /** When it was to be sent, by the clock of the machine, in milliseconds. */
  readonly dueAt: number;
}

const LENGTH = 200;

export function writeText({ round, client, number, dueAt }: NumberedText): string {
  return `${round} ${client} ${number} ${dueAt} `.padEnd(LENGTH, 'parley ');
}

/** Undefined when the text is not as it was written. */
export function readText(text: string): NumberedText | undefined {
  const [round = '', client, number, dueAt] = text.split(' ');
  const read = { round, client: Number(client), number: Number(number), dueAt: Number(dueAt) };
  return writeText(read) === text ? read : undefined;
}
