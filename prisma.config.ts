import path from 'node:path';
import { defineConfig } from 'prisma/config';

// Every command of Prisma's CLI, even `generate`, first looks for a native schema engine and downloads it where it is
// missing. `generate` then never runs it. Naming an executable that exists keeps `generate` free of downloads, so that a
// checkout builds without network access. Migrations are written by hand and applied by our own migrator.
process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= process.execPath;

export default defineConfig({
  schema: path.join(import.meta.dirname, 'prisma', 'schema.prisma'),
  migrations: { path: path.join(import.meta.dirname, 'prisma', 'migrations') },
});
