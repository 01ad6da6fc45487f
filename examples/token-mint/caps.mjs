/**
 * What users may spend. Who checks first and books later lets requests that run at once through together, so each request
 * reserves the most it can cost before it is sent, and gives back what it did not cost when that is known. What never says
 * what it cost, cost all that was reserved.
 *
 * @typedef {object} Limits
 * @property {number} requestsPerMinute Of one user.
 * @property {number} costPerDay Of one user.
 * @property {number} costPerDayOfAll
 */

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const EVERYBODY = Symbol('everybody');

/** @param {{ limits: Limits, now: () => number }} options */
export function createCaps({ limits, now }) {
  /** Times of the latest requests, by user. @type {Map<string, number[]>} */
  const requests = new Map();
  /** Today's, by user or token. @type {Map<unknown, { amount: number }>} */
  const spent = new Map();
  let day = -1;

  const account = (key) => {
    const today = Math.floor(now() / DAY_MS);
    if (today !== day) {
      day = today;
      spent.clear();
    }
    const known = spent.get(key) ?? { amount: 0 };
    spent.set(key, known);
    return known;
  };

  return {
    /** Milliseconds until the user may ask again; 0: this request counts from now on. */
    countRequest(user) {
      const latest = (requests.get(user) ?? []).filter((time) => time > now() - MINUTE_MS);
      requests.set(user, latest);
      if (latest.length >= limits.requestsPerMinute) return latest[0] + MINUTE_MS - now();
      latest.push(now());
      return 0;
    },

    /**
     * All or nothing. Returns what settles it with the real cost, once; undefined: it is more than is left.
     * @param {import('./tokens.mjs').Grant} grant @param {number} amount
     */
    reserve(grant, amount) {
      const booked = [
        { entry: account(`token ${grant.id}`), limit: grant.maxCost },
        { entry: account(`user ${grant.user}`), limit: limits.costPerDay },
        { entry: account(EVERYBODY), limit: limits.costPerDayOfAll },
      ];
      if (booked.some(({ entry, limit }) => entry.amount + amount > limit)) return undefined;
      for (const { entry } of booked) entry.amount += amount;
      let isSettled = false;
      return (cost) => {
        if (isSettled) return;
        isSettled = true;
        for (const { entry } of booked) entry.amount += cost - amount;
      };
    },

    /** What a user has spent and reserved today. */
    spentBy: (user) => account(`user ${user}`).amount,
  };
}
