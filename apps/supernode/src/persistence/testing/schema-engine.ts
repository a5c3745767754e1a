import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import type { ConnectionSettings } from '../connection-settings.ts';

interface SchemaEngine {
  diff(params: object): Promise<{ exitCode: number; stdout: string | null }>;
}

interface EngineGlue {
  SchemaEngine: { new: (options: object, log: () => void, adapter: object) => Promise<SchemaEngine> };
  __wbg_set_wasm(exports: object): void;
}

/** The part of the WebAssembly API that is used here: the types of Node 20 and of ES2023 lack it. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: { __wbindgen_start(): void } };
}

/**
 * The SQL that makes prisma/schema.prisma from nothing, as Prisma's own schema engine writes it. The engine is its
 * WebAssembly build from npm: the native one is a download.
 *
 * @param server - the engine wants a database to talk to, though this difference needs none
 */
export async function sqlOfSchema(schemaFile: string, server: ConnectionSettings): Promise<string> {
  const engine = await loadSchemaEngine(server);
  const content = await readFile(schemaFile, 'utf8');
  const result = await engine.diff({
    from: { tag: 'empty' },
    to: { tag: 'schemaDatamodel', files: [{ path: schemaFile, content }] },
    script: true,
    exitCode: null,
    shadowDatabaseUrl: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  return result.stdout ?? '';
}

async function loadSchemaEngine(server: ConnectionSettings): Promise<SchemaEngine> {
  const require = createRequire(import.meta.url);
  const adapterRequire = createRequire(require.resolve('@prisma/adapter-pg'));
  const { bindMigrationAwareSqlAdapterFactory } = adapterRequire('@prisma/driver-adapter-utils') as {
    bindMigrationAwareSqlAdapterFactory: (factory: PrismaPg) => object;
  };
  const glueFile = require.resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const glue = (await import(pathToFileURL(glueFile).href)) as EngineGlue;
  const wasmFile = path.join(path.dirname(glueFile), 'schema_engine_bg.wasm');
  const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi };
  // The engine reports a panic to this global; without it the panic would look like a missing function.
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: (message: string) => message } });
  const module = new WebAssembly.Module(await readFile(wasmFile));
  const instance = new WebAssembly.Instance(module, { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ ...server }));
  return glue.SchemaEngine.new({}, () => undefined, adapter);
}
