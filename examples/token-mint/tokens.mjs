/**
 * Bearer tokens that say for themselves what they are good for: who, for which address, until when, for how much. They are
 * signed (HMAC-SHA-256), so that the gateway needs no list of them; what was spent on one it keeps by the token's id.
 *
 * @typedef {object} Grant
 * @property {string} id
 * @property {string} user
 * @property {string} audience The origin of the gateway.
 * @property {number} expires Milliseconds since the epoch.
 * @property {number} maxCost In the currency of the prices.
 */
import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

/** @param {{ secret: string, now: () => number }} options */
export function createTokens({ secret, now }) {
  const sign = (text) => createHmac('sha256', secret).update(text).digest('base64url');
  return {
    /** @param {Omit<Grant, 'id' | 'expires'> & { lifeMs: number }} wanted */
    issue({ user, audience, maxCost, lifeMs }) {
      /** @type {Grant} */
      const grant = { id: randomUUID(), user, audience, maxCost, expires: now() + lifeMs };
      const text = Buffer.from(JSON.stringify(grant)).toString('base64url');
      return { token: `${text}.${sign(text)}`, grant };
    },

    /** What the token grants; undefined: it is not ours, for another address, or over. @returns {Grant | undefined} */
    read(token, audience) {
      const [text = '', signature = '', ...more] = token.split('.');
      if (more.length > 0 || !isSame(signature, sign(text))) return undefined;
      const grant = JSON.parse(Buffer.from(text, 'base64url').toString());
      return grant.audience === audience && grant.expires > now() ? grant : undefined;
    },
  };
}

/** In a time that does not tell how much of it is right. */
function isSame(given, right) {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
