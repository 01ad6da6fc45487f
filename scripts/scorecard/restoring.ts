/** P5: aliases come back exactly, whatever a model does to them and wherever the stream is cut; no others do. */
import { createRestorer } from '../../src/privacy/restore.ts';
import { inPieces, MUTATIONS, VALUES, vaultOf } from '../../test/privacy/aliases.ts';
import { type Gate, percent } from './gate.ts';

export const restoring: Gate = {
  id: 'P5',
  what: 'Aliases restored in streams: every mutation, every two cuts',
  target: '100 % exact, no foreign ones, bounded hold-back',
  async measure() {
    const { vault, aliases } = vaultOf();
    const foreign = vaultOf(VALUES, 2).aliases;
    const counts = { exact: 0, all: 0, foreign: 0, held: 0 };
    for (const mutate of Object.values(MUTATIONS)) {
      for (const [i, value] of VALUES.entries()) {
        const [written, expected] = mutate(aliases[i] ?? '', value);
        const [other] = mutate(foreign[i] ?? '', value);
        const text = `So ${written} and ${other}, then`;
        for (let first = 0; first <= text.length; first++) {
          for (let second = first; second <= text.length; second++) {
            const shown = inPieces(text, [first, second], vault);
            counts.all += 1;
            if (shown === `So ${expected} and ${other}, then`) counts.exact += 1;
            if (!shown.includes(other)) counts.foreign += 1;
          }
        }
        counts.held = Math.max(counts.held, mostHeld(`So ${written} `, vault));
      }
    }
    const { exact, all, foreign: restored, held } = counts;
    return {
      value: `${percent(exact / all)} of ${all}, ${restored} foreign, at most ${held} characters held back`,
      met: exact === all && restored === 0,
      note:
        `${Object.keys(MUTATIONS).length} ways of writing an alias (${Object.keys(MUTATIONS).join(', ')}) for each of ` +
        `${VALUES.length} values, beside one of another conversation, cut at every two places. JSON, code and addresses ` +
        'are in `src/privacy/restore.test.ts`.',
    };
  },
};

/** Most characters that are waiting while the text comes letter by letter. */
function mostHeld(text: string, vault: ReturnType<typeof vaultOf>['vault']): number {
  const restorer = createRestorer(vault);
  let waiting = 0;
  let most = 0;
  for (const letter of text) {
    waiting = restorer.push(letter) === '' ? waiting + letter.length : 0;
    most = Math.max(most, waiting);
  }
  return most;
}
