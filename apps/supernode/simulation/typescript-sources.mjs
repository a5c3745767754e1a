import { register } from 'node:module';

/** Lets Node load the TypeScript sources as they are, through the compiler of the tests. */
register('./typescript-loader.mjs', import.meta.url);
