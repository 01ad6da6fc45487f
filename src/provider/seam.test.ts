import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createJoint, junctionsBehind, restartOf } from './seam.ts';
import type { Junction } from './seam.ts';

/** Text with runs of spaces, long words, letters of two UTF-16 units. */
const texts = fc
  .array(
    fc.constantFrom(
      'a',
      'Ü',
      '🔦',
      ' ',
      '  ',
      '\n\n',
      'word',
      '漢字',
      '-',
      'extraordinarilylongwordwithoutend',
    ),
  )
  .map((parts) => parts.join(''));

/** What is handed out of `said`, when it comes in pieces of these lengths. */
function join(junction: Junction, said: string, lengths: readonly number[]): string | 'diverged' {
  const joint = createJoint(junction);
  let out = '';
  for (let at = 0, i = 0; at < said.length; i++) {
    const to = at + (lengths[i % lengths.length] ?? 1);
    const added = joint.push(said.slice(at, to));
    if (added === 'diverged') return added;
    out += added;
    at = to;
  }
  return joint.isJoined() ? out : 'diverged';
}

const lengths = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });

describe('a seam', () => {
  it('loses and doubles nothing, wherever it is and however the rest arrives', () => {
    fc.assert(
      fc.property(texts, fc.nat(), lengths, (whole, where, sizes) => {
        const at = where % (whole.length + 1);
        const shown = whole.slice(0, at);
        for (const junction of junctionsBehind(shown)) {
          expect(junction.prefix + junction.tail).toBe(shown);
          // One that goes on exactly behind the prefix, as a good model would.
          const said = whole.slice(junction.prefix.length);
          expect(shown + join(junction, said, sizes)).toBe(whole);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('gives a beginning that ends with a whole word and no space, and never splits a character', () => {
    fc.assert(
      fc.property(texts, (shown) => {
        const [healed, exact] = junctionsBehind(shown);
        for (const { prefix } of [healed!, exact ?? healed!]) {
          expect(prefix).toBe(prefix.trimEnd());
          expect(prefix.isWellFormed()).toBe(true);
        }
      }),
    );
    expect(junctionsBehind('so the lamp')[0]).toEqual({
      prefix: 'so the',
      tail: ' lamp',
      isTailOptional: false,
    });
    expect(junctionsBehind('so the lamp ')[0]).toMatchObject({ prefix: 'so the', tail: ' lamp ' });
    expect(junctionsBehind('漢'.repeat(100))[0]).toMatchObject({ tail: '漢漢' });
  });

  it('does not join another word', () => {
    const [healed] = junctionsBehind('the la');
    expect(join(healed!, ' lantern', [3])).toBe('ntern');
    expect(join(healed!, ' lighthouse', [3])).toBe('diverged');
    expect(join(healed!, ' l', [1])).toBe('diverged');
  });

  it('takes a rest with or without the spaces that a template trimmed', () => {
    const exact = junctionsBehind('the lamp \n')[1]!;
    expect(join(exact, ' \nwas', [2])).toBe('was');
    expect(join(exact, 'was', [2])).toBe('was');
    expect(join(exact, ' was', [2])).toBe('was');
  });

  it('of an answer that must not be put together is the same answer from its start', () => {
    const [restart] = restartOf('{"a": 1');
    expect(join(restart!, '{"a": 1, "b": 2}', [4])).toBe(', "b": 2}');
    expect(join(restart!, '{"b": 2}', [4])).toBe('diverged');
  });
});
