import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { renderErrorReference } from '../errors-document.ts';
import { renderEnvExample, renderReference } from './config-documents.ts';
import { optionEntries } from './config.schema.ts';
import { loadProcessConfig } from './load-config.ts';

const EX_USAGE = 64;

interface Output {
  write(text: string): unknown;
}

/**
 * `config check | print-defaults | docs [folder]`.
 *
 * @throws SupernodeError SN_CONFIG_INVALID (check)
 */
export async function runConfigCommand(args: readonly string[], output: Output): Promise<number> {
  const [action, folder] = args;
  switch (action) {
    case 'check':
      loadProcessConfig();
      output.write('The settings are right.\n');
      return 0;
    case 'print-defaults':
      for (const { option } of optionEntries())
        output.write(`${option.env}=${option.format(option.default)}\n`);
      return 0;
    case 'docs':
      if (folder === undefined) {
        output.write(renderReference());
        return 0;
      }
      await writeFile(path.join(folder, 'docs/reference/config.md'), renderReference());
      await writeFile(path.join(folder, '.env.example'), renderEnvExample());
      await writeFile(path.join(folder, 'docs/reference/supernode-errors.md'), renderErrorReference());
      return 0;
    default:
      output.write('Usage: parley-supernode config check | print-defaults | docs [folder]\n');
      return EX_USAGE;
  }
}
