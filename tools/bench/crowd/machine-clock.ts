/** The clock of the machine, not of the process: instants of two processes can be compared. Milliseconds. */
export function clockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
