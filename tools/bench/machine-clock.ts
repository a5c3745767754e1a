/** The clock of the machine, not of the process, in milliseconds: instants of two processes can be compared. */
export function machineClockMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
