import { fileURLToPath } from 'node:url';

/** The programs that run on machines of the lab; also when this module is a compiled one. */
const folder = import.meta.url.endsWith('.ts') ? '.' : '../../paths';

export const CLIENT_PROGRAM = fileURLToPath(new URL(`${folder}/client-process.mjs`, import.meta.url));
export const FORGER_PROGRAM = fileURLToPath(new URL(`${folder}/forger.mjs`, import.meta.url));
