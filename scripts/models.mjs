/**
 * `npm run models -- NAME ...`: fetches real model files into the cache folder and makes them visible to the page as
 * /models/…. `all` is every one; without a name it says which there are.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensureModel, publishModel, realModels } from './lib/model.mjs';
import { cacheFolder } from './lib/paths.mjs';

const asked = process.argv.slice(2);
const names = asked.includes('all') ? Object.keys(realModels) : asked;
const unknown = names.filter((name) => !(name in realModels));

if (unknown.length > 0 || names.length === 0) {
  for (const [name, { byteLength, name: file }] of Object.entries(realModels)) {
    const state = existsSync(join(cacheFolder, file)) ? 'in the cache' : 'not fetched yet';
    console.log(`${name.padEnd(20)} ${String(Math.round(byteLength / 1e6)).padStart(5)} MB  ${state}`);
  }
  if (unknown.length > 0)
    throw new Error(`There is no model ${unknown.join(', ')}. Choose one of the above.`);
}
for (const name of names) {
  const model = realModels[name];
  console.log(publishModel(await ensureModel(model), model.name));
}
