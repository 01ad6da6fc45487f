/**
 * Starts the gateway with what the environment says:
 *
 *   UPSTREAM_URL=https://api.example.com/v1 UPSTREAM_KEY=… MINT_SECRET=… ORIGINS=https://app.example.com node main.mjs
 *
 * `authenticate` is the app's part: this one believes a header, which is good for trying it out and for nothing else.
 */
import { createGateway } from './gateway.mjs';

const { UPSTREAM_URL, UPSTREAM_KEY, MINT_SECRET, ORIGINS = '', PORT = '8789' } = process.env;
if (!UPSTREAM_URL || !UPSTREAM_KEY || !MINT_SECRET) {
  console.error('Set UPSTREAM_URL, UPSTREAM_KEY and MINT_SECRET.');
  process.exit(1);
}
const { server } = createGateway({
  upstream: { baseURL: UPSTREAM_URL, key: UPSTREAM_KEY },
  prices: { 'gpt-5-mini': { inputPerMillion: 0.25, outputPerMillion: 2 } },
  limits: { requestsPerMinute: 20, costPerDay: 1, costPerDayOfAll: 50 },
  maxCost: 0.1,
  secret: MINT_SECRET,
  audience: `http://127.0.0.1:${PORT}`,
  origins: ORIGINS.split(',').filter(Boolean),
  authenticate: ({ headers }) => headers['x-user']?.toString(),
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`The gateway is at http://127.0.0.1:${PORT}`));
