import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderProtocolPage } from './render-protocol-page.ts';

const repository = fileURLToPath(new URL('../../..', import.meta.url));
writeFileSync(`${repository}/docs/protocol/v1.md`, renderProtocolPage(repository));
