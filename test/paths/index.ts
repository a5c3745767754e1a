export { goodput } from './goodput.ts';
export { machineClockMs, type PathClient, type QuicState } from './path-client.ts';
export { openBetween, PathLab, untilDirect } from './path-lab.ts';
