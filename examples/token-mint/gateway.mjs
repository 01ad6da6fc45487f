/**
 * A mint of short-lived tokens with the gateway that takes them: the page never has the key of the endpoint behind it, and
 * what the page believes it may spend is not what counts. No dependencies; one process (with several, keep what `caps.mjs`
 * keeps in a store that they share).
 *
 *   POST /token { maxCost? }             by who is logged in -> { token, expires_in }
 *   POST /v1/chat/completions            with that token -> the endpoint's answer, at most as long as is paid for
 *
 * @typedef {object} GatewayOptions
 * @property {{ baseURL: string, key: string }} upstream
 * @property {Record<string, { inputPerMillion: number, outputPerMillion: number }>} prices By model: others are refused.
 * @property {import('./caps.mjs').Limits} limits
 * @property {string} secret For the tokens' signatures.
 * @property {string} audience Origin under which pages know this gateway.
 * @property {readonly string[]} origins Pages that may use it.
 * @property {(request: import('node:http').IncomingMessage) => string | undefined | Promise<string | undefined>} authenticate
 *   Who asks, by the app's own session; undefined: nobody.
 * @property {number} [lifeMs] Of a token; default a minute.
 * @property {number} [maxCost] Of a token, at most.
 * @property {() => number} [now]
 */
import { createServer } from 'node:http';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createCaps } from './caps.mjs';
import { createTokens } from './tokens.mjs';

const MAX_BODY_BYTES = 1 << 20;
/** Most tokens of an answer whose request names no limit. */
const USUAL_ANSWER_TOKENS = 1024;

/** @param {GatewayOptions} options */
export function createGateway({ now = Date.now, lifeMs = 60_000, maxCost = Infinity, ...options }) {
  const { upstream, prices, limits, secret, audience, origins, authenticate } = options;
  const tokens = createTokens({ secret, now });
  const caps = createCaps({ limits, now });

  async function mint(request, body) {
    const user = await authenticate(request);
    if (user === undefined) throw refusal(401, 'Log in first.');
    const wanted = typeof body.maxCost === 'number' && body.maxCost >= 0 ? body.maxCost : maxCost;
    const granted = Math.min(wanted, maxCost, limits.costPerDay);
    const { token } = tokens.issue({ user, audience, lifeMs, maxCost: granted });
    return { token, expires_in: Math.floor(lifeMs / 1000) };
  }

  async function chat(request, response, body) {
    const grant = tokens.read(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '', audience);
    if (!grant) throw refusal(401, 'The token is not valid. Ask for a new one.');
    const price = Object.hasOwn(prices, body.model) ? prices[body.model] : undefined;
    if (!price) throw refusal(404, 'There is no such model here.');
    const waitMs = caps.countRequest(grant.user);
    if (waitMs > 0)
      throw refusal(429, 'Too many requests.', { 'retry-after': String(Math.ceil(waitMs / 1000)) });
    const { sent, most } = limited(body, price);
    const settle = caps.reserve(grant, most);
    if (!settle) throw refusal(402, 'This is more than is left to spend.');

    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const answer = await fetch(`${upstream.baseURL}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${upstream.key}` },
      body: JSON.stringify(sent),
      signal: gone.signal,
      redirect: 'error',
    }).catch(() => undefined);
    if (!answer) throw refusal(502, 'The endpoint cannot be reached.');
    response.writeHead(answer.status, { ...passedOn(answer.headers), ...cors(request) });
    // Where it is refused nothing was computed. An answer that breaks off does not say what it cost.
    if (!answer.ok) settle(0);
    const meter = createMeter(sent.stream === true, (usage) => settle(costOf(usage, price)));
    await pipeline(Readable.fromWeb(answer.body), meter, response).catch(() => response.destroy());
  }

  const cors = ({ headers: { origin } }) =>
    origin !== undefined && origins.includes(origin)
      ? {
          'access-control-allow-origin': origin,
          'access-control-allow-credentials': 'true',
          'access-control-allow-headers': 'authorization, content-type',
          'access-control-expose-headers': 'retry-after, date',
          vary: 'origin',
        }
      : {};

  const server = createServer(async (request, response) => {
    try {
      const { origin } = request.headers;
      if (origin !== undefined && !origins.includes(origin))
        throw refusal(403, 'This page may not ask here.');
      if (request.method === 'OPTIONS') return void response.writeHead(204, cors(request)).end();
      const body = await readJson(request);
      if (request.method === 'POST' && request.url === '/token')
        return void sendJson(200, await mint(request, body));
      if (request.method === 'POST' && request.url === '/v1/chat/completions')
        return void (await chat(request, response, body));
      throw refusal(404, 'There is nothing here.');
    } catch (error) {
      if (response.headersSent) return void response.destroy();
      const {
        status = 500,
        message,
        headers = {},
      } = error instanceof Refusal ? error : { message: 'It failed.' };
      sendJson(status, { error: { message, code: status } }, headers);
    }

    function sendJson(status, value, headers = {}) {
      response.writeHead(status, { 'content-type': 'application/json', ...cors(request), ...headers });
      response.end(JSON.stringify(value));
    }
  });
  return { server, caps };
}

class Refusal extends Error {
  constructor(status, message, headers) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

function refusal(status, message, headers = {}) {
  return new Refusal(status, message, headers);
}

/** What may be in a request: what else there is may cost more than tokens do. */
const FIELDS = [
  'model',
  'messages',
  'stream',
  'n',
  'stop',
  'seed',
  'temperature',
  'top_p',
  'frequency_penalty',
  'presence_penalty',
  'logprobs',
  'top_logprobs',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
];

/** The request as it is sent, and the most it can cost: a token has at least a byte, and the answer is capped. */
function limited(body, price) {
  const { max_completion_tokens: newer, max_tokens: older, messages, stream } = body;
  const [capName, cap] = newer
    ? ['max_completion_tokens', newer]
    : ['max_tokens', older ?? USUAL_ANSWER_TOKENS];
  const answers = body.n ?? 1;
  if (![cap, answers].every((count) => Number.isSafeInteger(count) && count > 0))
    throw refusal(400, 'The limits are no positive integers.');
  if (!Array.isArray(messages) || messages.some(hasRemoteMedia))
    throw refusal(400, 'Give messages, with media as data: URLs.');
  const sent = Object.fromEntries(FIELDS.filter((name) => name in body).map((name) => [name, body[name]]));
  sent[capName] = cap;
  if (stream) sent.stream_options = { include_usage: true };
  const promptTokens = Buffer.byteLength(JSON.stringify(sent));
  return { sent, most: costOf({ prompt_tokens: promptTokens, completion_tokens: cap * answers }, price) };
}

/** What the endpoint would fetch costs tokens that are not in the request. */
function hasRemoteMedia(message) {
  const parts = Array.isArray(message?.content) ? message.content : [];
  return parts.some(({ type, image_url: image }) => {
    if (type === 'image_url') return !String(image?.url).startsWith('data:');
    return type !== 'text' && type !== 'input_audio';
  });
}

function costOf(
  { prompt_tokens: input = 0, completion_tokens: output = 0 },
  { inputPerMillion, outputPerMillion },
) {
  return (input * inputPerMillion + output * outputPerMillion) / 1e6;
}

/** Passes bytes on as they are, and tells at the end the last usage that the endpoint told. */
function createMeter(isStream, onUsage) {
  let text = '';
  let usage;
  const look = (json) => {
    try {
      usage = JSON.parse(json).usage ?? usage;
    } catch {
      // Not a chunk: it has no usage.
    }
  };
  return new Transform({
    transform(bytes, _, done) {
      // Letters may be cut in two here; the numbers are ASCII.
      text += bytes.toString('latin1');
      if (isStream) {
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        for (const line of lines) if (line.includes('"usage"')) look(line.replace(/^data: ?/, ''));
      }
      done(null, bytes);
    },
    flush(done) {
      if (!isStream) look(text);
      if (usage) onUsage(usage);
      done();
    },
  });
}

function passedOn(headers) {
  const names = ['content-type', 'retry-after', 'date'];
  return Object.fromEntries(
    names.flatMap((name) => (headers.get(name) === null ? [] : [[name, headers.get(name)]])),
  );
}

async function readJson(request) {
  const pieces = [];
  let size = 0;
  for await (const piece of request) {
    size += piece.length;
    if (size > MAX_BODY_BYTES) throw refusal(413, 'The request is too long.');
    pieces.push(piece);
  }
  try {
    const body = JSON.parse(Buffer.concat(pieces).toString('utf8') || '{}');
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  } catch {
    // Answered below, like all else that is not an object.
  }
  throw refusal(400, 'The request is not a JSON object.');
}
