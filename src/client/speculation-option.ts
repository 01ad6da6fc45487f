/** The option `speculation` of `createClient`, checked. */
import type { DrafterName, SpeculationSettings } from '../rpc/protocol.ts';
import { invalid, isAbsent, isRecord, show } from './checks.ts';
import { refuseUnknownOptions } from './option-checks.ts';

export interface SpeculationOptions {
  /**
   * Who may guess: 'suffix' goes on as this conversation did before, 'past' as earlier answers did, 'draft' is the draft
   * model, 'self' the model itself through half the bits of its keys and values. Default: all but 'self'.
   */
  drafters?: DrafterName[] | undefined;
  /** Most tokens guessed at a time, 1 to 15. Default: 15. */
  maxLookahead?: number | undefined;
}

const DRAFTERS: readonly DrafterName[] = ['suffix', 'past', 'draft', 'self'];
/** 'self' is never quicker on a CPU. */
const AUTO: readonly DrafterName[] = ['suffix', 'past', 'draft'];
const MAX_LOOKAHEAD = 15;

export function readSpeculation(speculation: unknown): SpeculationSettings | null {
  if (speculation === 'off') return null;
  if (isAbsent(speculation) || speculation === 'auto') {
    return { drafters: [...AUTO], maxLookahead: MAX_LOOKAHEAD };
  }
  if (!isRecord(speculation)) {
    throw invalid(
      'speculation',
      `is ${show(speculation)}; give 'auto', 'off' or { drafters, maxLookahead }.`,
    );
  }
  refuseUnknownOptions(speculation, new Set(['drafters', 'maxLookahead']), 'speculation.');
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
  return { drafters: [...new Set(drafters ?? AUTO)], maxLookahead: maxLookahead ?? MAX_LOOKAHEAD };
}

function isDrafter(name: unknown): name is DrafterName {
  return DRAFTERS.some((known) => known === name);
}

function isLookahead(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_LOOKAHEAD;
}
