import type { Config } from '../config.schema.ts';
import { invalidConfig, loadConfig, type Environment } from '../load-config.ts';

/** Settings for a test: loopback, free ports everywhere, quiet; `env` overrides. */
export function testConfig(env: Environment = {}): Config {
  const result = loadConfig({
    SUPERNODE_HOST: '127.0.0.1',
    SUPERNODE_EDGE_PORT: '0',
    SUPERNODE_ADMIN_PORT: '0',
    SUPERNODE_STUN_PORT: '0',
    SUPERNODE_STUN_ALT_PORT: '0',
    SUPERNODE_RELAY_ALLOW_PEERS: '127.0.0.0/8',
    SUPERNODE_PUZZLE_BITS: '4',
    SUPERNODE_LOG_LEVEL: 'error',
    ...env,
  });
  if (!result.ok) throw invalidConfig(result.problems);
  return result.config;
}
