/** What tests that start a supernode in their own process may use; operators run `main.ts`. */
export { AppModule, type Runtime } from './app.module.ts';
export type { Config } from './config/config.schema.ts';
export type { ConfigProblem } from './config/config-problem.ts';
export { loadConfig, type ConfigResult } from './config/load-config.ts';
export { createSupernode, type Supernode, type SupernodeAddresses } from './create-supernode.ts';
export { SUPERNODE_ERRORS, SupernodeError, type SupernodeErrorCode } from './errors.ts';
