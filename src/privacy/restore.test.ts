import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inPieces, MUTATIONS, VALUES, vaultOf } from '../../test/privacy/aliases.ts';
import { redactText } from './redaction.ts';
import { createRestorer, restore } from './restore.ts';
import type { Vault } from './vault.ts';

const { vault, aliases } = vaultOf();
const [anna = '', wei = '', neil = ''] = aliases;

describe('an alias comes back as what it stands for', () => {
  for (const [name, mutate] of Object.entries(MUTATIONS)) {
    it(`${name}, wherever the text is cut`, () => {
      const [written, expected] = mutate(anna, 'Anna Müller');
      const text = `Dear ${written} and ${wei}`;
      for (let cut = 0; cut <= text.length; cut++) {
        expect(inPieces(text, [cut], vault)).toBe(`Dear ${expected} and 张伟`);
      }
      const everywhere = Array.from(text, (_, i) => i);
      expect(inPieces(text, everywhere, vault)).toBe(`Dear ${expected} and 张伟`);
    });
  }

  it('in every text with aliases, however it is written and cut', () => {
    const piece = fc.oneof(
      fc.record({ alias: fc.nat(VALUES.length - 1), mutation: fc.constantFrom(...Object.keys(MUTATIONS)) }),
      fc.constantFrom(' ', ', ', '. ', 'PERSON', '-', 'a', 'é', '😀', ' 12 ', '\n', '中', '\\', '"', '('),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (pieces, cuts) => {
          // A blank keeps one apart from what follows, where letters or digits would make another word of it.
          const parts = pieces.map((one): [string, string] => {
            if (typeof one === 'string') return [one, one];
            const [written, expected] = MUTATIONS[one.mutation]!(aliases[one.alias]!, VALUES[one.alias]!);
            return [` ${written} `, ` ${expected} `];
          });
          const text = parts.map(([written]) => written).join('');
          expect(inPieces(text, cuts, vault)).toBe(parts.map(([, expected]) => expected).join(''));
        },
      ),
    );
  });

  it('what was redacted comes back as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.constantFrom(...VALUES)), { maxLength: 8 }), (parts) => {
        const own = vaultOf([], 7).vault;
        let text = '';
        const findings = parts.map(([before, value]) => {
          // Neither code nor an address, where it would stay away.
          text += `${before.replaceAll(/[`~\n]/g, '')} `;
          const start = text.length;
          text += value;
          const finding = {
            start,
            end: text.length,
            kind: 'name',
            text: value,
            source: 'tagger',
            confidence: 1,
          } as const;
          text += '\n';
          return finding;
        });
        const redacted = redactText(text, findings, own);
        for (const value of ['Anna', '张伟', 'example.org']) expect(redacted).not.toContain(value);
        fc.pre(!/[a-z]:\/\/|www\.|\]\(|\]:|=/i.test(text));
        expect(restore(redacted, own)).toBe(text);
      }),
    );
  });
});

describe('nothing else comes back', () => {
  it.each([
    ['a number that goes on', `${anna}1`],
    ['a word that ends so', `X${anna}`],
    ['a part of it', anna.slice(0, -1)],
    ['another number', anna.replace('001', '099')],
    ['an alias of another chat', vaultOf(VALUES, 2).aliases[0] ?? ''],
    ['a host name', `${anna}.example.com`],
    ['an address at a host', `${anna}@example.com`],
    ['a short host name', `${anna}.io`],
    ['letters too far apart', anna.replace('-', ' - - - ')],
  ])('%s', (_, text) => {
    expect(restore(`See ${text}!`, vault)).toBe(`See ${text}!`);
  });

  it('from texts without aliases, however they are cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(100)), (text, cuts) => {
        expect(inPieces(text, cuts, vault)).toBe(text);
      }),
    );
  });

  it.each([
    ['a URL', `https://example.com/?q=${anna}`, 'url'],
    ['a URL with escaped slashes', `https:\\/\\/example.com\\/${anna}`, 'url'],
    ['a host', `www.example.com/${anna}`, 'url'],
    ['a link', `[here](/search?q=${anna})`, 'url'],
    ["a link's title", `[here](/search "${anna}")`, 'url'],
    [
      'a URL that is very long',
      `https://example.com/?q=${'a'.repeat(5000)}${`,${'b'.repeat(700)}`.repeat(9)},${anna}`,
      'url',
    ],
    ['an image', `![](/pixel/${anna})`, 'url'],
    ['a definition', `\n[1]: /${anna}`, 'url'],
    ['a host without more', `example.com/?q=${anna}`, 'url'],
    ['an attribute', `<img src="/${anna}">`, 'url'],
    ['mailto', `mailto:${anna}`, 'url'],
    ['code', `\`${anna}\``, 'code'],
    ['code in two ticks', `\`\`a \` ${anna}\`\``, 'code'],
    ['a block', `\n\`\`\`js\nlet a = "${anna}";\n\`\`\``, 'code'],
    ['a block of tildes', `\n~~~\n${anna}\n~~~`, 'code'],
    ['a block in a quote', `\n> \`\`\`\n> ${anna}\n> \`\`\``, 'code'],
    ['a block that looks closed', `\n\`\`\`\n\`\`\` x\n${anna}\n\`\`\``, 'code'],
    ['a block that does not end', `\n\`\`\`\n\n${anna}`, 'code'],
  ] as const)('in %s, unless its label admits it', (_, inside, sink) => {
    const text = `See ${inside}\n\nand ${wei}`;
    const isOpen = inside.endsWith('\n\n' + anna);
    const rest = isOpen ? wei : '张伟';
    const everywhere = Array.from(text, (__, i) => i);
    for (const cuts of [[], everywhere]) {
      expect(inPieces(text, cuts, vault)).toBe(`See ${inside}\n\nand ${rest}`);
      const admitted = { sinks: { [sink]: 'personal' } } as const;
      const restored = inside.replace(anna, 'Anna Müller');
      expect(inPieces(text, cuts, vault, admitted)).toBe(`See ${restored}\n\nand 张伟`);
    }
  });
});

describe('in JSON', () => {
  const text = JSON.stringify({ to: neil, lines: [`Hi ${neil},\n\`${neil}\` https://x.test/${neil}`], n: 1 });

  it('an answer gets it escaped, but not in code or addresses', () => {
    for (let cut = 0; cut <= text.length; cut++) {
      expect(JSON.parse(inPieces(text, [cut], vault, { format: 'json' }))).toEqual({
        to: 'O"Neil\\',
        lines: [`Hi O"Neil\\,\n\`${neil}\` https://x.test/${neil}`],
        n: 1,
      });
    }
  });

  it("a tool's arguments get it only where their label admits it", () => {
    expect(restore(text, vault, { format: 'tool-arguments' })).toBe(text);
    const admitted = restore(text, vault, {
      format: 'tool-arguments',
      sinks: { 'tool-arguments': 'personal' },
    });
    expect(JSON.parse(admitted)).toMatchObject({ to: 'O"Neil\\' });
  });
});

describe('what is held back', () => {
  it('is never more than an alias can be long, and nothing at the end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...anna, ' ', '\\', '-', 'x', anna), { maxLength: 60 }),
        (pieces) => {
          const restorer = createRestorer(createVaultWith(anna), {});
          let taken = 0;
          let shown = 0;
          for (const piece of pieces) {
            taken += piece.length;
            shown += restorer.push(piece).length;
            expect(taken - shown).toBeLessThan(6 * 5 * anna.length);
          }
          expect(shown + restorer.end().length).toBe(taken);
        },
      ),
    );
  });

  it('is nothing where no alias can begin', () => {
    const restorer = createRestorer(vault);
    expect(restorer.push('Yes, we do.')).toBe('Yes, we do.');
    expect(restorer.push(` ${anna.slice(0, 6)}`)).toBe(' ');
    expect(restorer.push('al')).toBe(`${anna.slice(0, 6)}al`);
  });
});

/** Restores the alias to itself, so that lengths can be compared. */
function createVaultWith(alias: string): Vault {
  return { aliasOf: () => alias, entries: () => [[alias, alias]] };
}
