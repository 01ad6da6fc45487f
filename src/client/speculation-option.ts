/** The option `speculation` of `createClient`, checked. */
import type { DrafterName, SpeculationSettings } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, refuseUnknown, show } from './checks.ts';

export interface SpeculationOptions {
  /** Who may guess: 'suffix' goes on as this conversation did before, 'past' as earlier answers did. Default: all. */
  drafters?: DrafterName[] | undefined;
  /** Most tokens guessed at a time, 1 to 15. Default: 15. */
  maxLookahead?: number | undefined;
}

const DRAFTERS: readonly DrafterName[] = ['suffix', 'past'];
const MAX_LOOKAHEAD = 15;

export function readSpeculation(speculation: unknown): SpeculationSettings | null {
  if (speculation === 'off') return null;
  if (isAbsent(speculation) || speculation === 'auto') {
    return { drafters: [...DRAFTERS], maxLookahead: MAX_LOOKAHEAD };
  }
  if (!isRecord(speculation)) {
    throw invalid(
      'speculation',
      `is ${show(speculation)}; give 'auto', 'off' or { drafters, maxLookahead }.`,
    );
  }
  refuseUnknown(speculation, new Set(['drafters', 'maxLookahead']), 'speculation.');
  const { drafters, maxLookahead } = speculation;
  if (!isAbsent(drafters) && !(Array.isArray(drafters) && drafters.every(isDrafter))) {
    throw invalid('speculation.drafters', `is ${show(drafters)}; give a list of ${DRAFTERS.join(', ')}.`);
  }
  if (!isAbsent(maxLookahead) && !isLookahead(maxLookahead)) {
    throw invalid(
      'speculation.maxLookahead',
      `is ${show(maxLookahead)}; give an integer from 1 to ${MAX_LOOKAHEAD}.`,
    );
  }
  return { drafters: [...new Set(drafters ?? DRAFTERS)], maxLookahead: maxLookahead ?? MAX_LOOKAHEAD };
}

function isDrafter(name: unknown): name is DrafterName {
  return DRAFTERS.some((known) => known === name);
}

function isLookahead(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_LOOKAHEAD;
}
