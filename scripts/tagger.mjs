/**
 * `npm run tagger`: trains the tagger of names and addresses and writes its weights into src/privacy. `-- --folds` tries
 * settings on the prompts for training; `-- --show=0.2` also prints what they miss.
 */
import { runTypeScript } from './lib/run-typescript.mjs';

await runTypeScript('scripts/tagger/train.ts');
