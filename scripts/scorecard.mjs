/** `npm run scorecard`: every gate with its figure and its target, printed and written to docs/scorecard.md. */
import { runTypeScript } from './lib/run-typescript.mjs';

await runTypeScript('scripts/scorecard/main.ts');
