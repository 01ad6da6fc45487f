import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ChatMessageParam } from '../client/types.ts';
import { seeded } from '../../test/models/random.ts';
import type { PrivacyClass } from './classes.ts';
import { createLedger } from './ledger.ts';
import type { Ledger } from './ledger.ts';
import { createTaintStore } from './taint.ts';
import type { LabelDefaults, LabelledConversation, TaintOptions, TaintStore } from './taint.ts';

const DEFAULTS: LabelDefaults = { text: 'personal', media: 'secret', request: null };
const SECRET =
  'The merger with Nordwind closes on the third of May, the price is 84,250,000 and Zebulon Kreider signs it.';

function newStore(options: Partial<TaintOptions> = {}): TaintStore & { ledger: Ledger } {
  const ledger = createLedger(() => 7);
  return { ...createTaintStore({ ledger, random: seeded(5).below, ...options }), ledger };
}

function user(text: string, privacy?: PrivacyClass): ChatMessageParam {
  return { role: 'user', content: [{ type: 'text', text, ...(privacy ? { privacy } : {}) }] };
}

function classesOf({ texts }: LabelledConversation): PrivacyClass[] {
  return texts.map((text) => text.class);
}

/** The class of a user's text without a label. */
function classOf(store: TaintStore, text: string): PrivacyClass {
  return store.label([user(text)], DEFAULTS).class;
}

describe('what has no label', () => {
  it('is personal, and media are secret', () => {
    const image: ChatMessageParam = {
      role: 'user',
      content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
    };
    expect(classesOf(newStore().label([user('Hello'), image], DEFAULTS))).toEqual(['personal', 'secret']);
  });

  it('is what the app says, but what an assistant or a tool says is at least personal', () => {
    const messages: ChatMessageParam[] = [
      { role: 'system', content: 'Be kind.' },
      user('Hello'),
      { role: 'assistant', content: 'Hi' },
      { role: 'tool', tool_call_id: 'c', content: '7' },
    ];
    for (const defaults of [
      { ...DEFAULTS, text: 'public' as const },
      { ...DEFAULTS, request: 'public' as const },
    ]) {
      const labelled = newStore().label(messages, defaults);
      expect(classesOf(labelled)).toEqual(['public', 'public', 'personal', 'personal']);
    }
  });

  it("has the label of its message, or the request's, which counts for the whole too", () => {
    const store = newStore();
    const messages: ChatMessageParam[] = [
      { role: 'user', content: 'a', privacy: 'public' },
      { role: 'user', content: 'b' },
    ];
    const labelled = store.label(messages, { ...DEFAULTS, request: 'secret' });
    expect(classesOf(labelled)).toEqual(['public', 'secret']);
    const open = store.label([user('c', 'public')], { ...DEFAULTS, request: 'personal' });
    expect([classesOf(open), open.class]).toEqual([['public'], 'personal']);
  });
});

describe('a label sticks', () => {
  it.each([
    ['as it was', SECRET],
    ['trimmed', `\n ${SECRET.slice(0, -1)}  `],
    ['re-serialised', SECRET.replaceAll(' ', '\n').normalize('NFD')],
    ['in another case', SECRET.toUpperCase()],
    ['in Markdown', `> **${SECRET.replaceAll(' ', '_')}**`],
    ['in JSON', JSON.stringify({ note: [SECRET] })],
    ['quoted in part', `You said "${SECRET.slice(20, 60)}", didn't you?`],
    ['its number', 'Is 84250000 too much?'],
    ['its number, grouped otherwise', 'Is 84 250 000 too much?'],
    ['half of its number', 'Starts with 842500'.replace('842500', '84250000')],
    ['in base64', `x ${btoa(SECRET)}`],
    ['in base64, from the middle on', btoa(SECRET).slice(5)],
    ['in base64, in lines', btoa(SECRET).replace(/.{20}/g, '$&\n')],
    ['in base64 twice', btoa(btoa(SECRET))],
    ['in base64url', Buffer.from(SECRET).toString('base64url')],
    ['in base64 of UTF-16', Buffer.from(SECRET, 'utf16le').toString('base64')],
    ['in hex of base64', Buffer.from(btoa(SECRET)).toString('hex')],
    ['percent-encoded twice', encodeURIComponent(encodeURIComponent(`é ${SECRET}`))],
    ['in hex', Buffer.from(SECRET).toString('hex')],
    ['in hex with spaces', Buffer.from(SECRET).toString('hex').replace(/../g, '$& ')],
    ['in hex as in C', Buffer.from(SECRET).toString('hex').replace(/../g, '0x$&, ')],
    ['percent-encoded', Array.from(Buffer.from(SECRET), (byte) => `%${byte.toString(16)}`).join('')],
    ['in escapes', [...SECRET].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')],
    ['in HTML', [...SECRET].map((c) => `&#${c.charCodeAt(0)};`).join('')],
    ['backwards', [...SECRET].toReversed().join('')],
    ['backwards in base64', btoa([...SECRET].toReversed().join(''))],
    ['base64 backwards', [...btoa(SECRET)].toReversed().join('')],
    ['in other letters', SECRET.replaceAll('o', 'о').replaceAll('e', 'е').replaceAll('a', 'ɑ')],
    ['in wide letters', SECRET.replace(/[!-~]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0))],
    ['with invisible letters', [...SECRET].join('\u200b')],
    [
      'in invisible letters',
      [...SECRET].map((c) => String.fromCodePoint(0xe0000 + c.charCodeAt(0))).join(''),
    ],
    ['with O for 0', 'Is 8425OOOO too much?'],
  ])('%s', (_, text) => {
    const store = newStore();
    expect(classOf(store, text)).toBe('personal');
    store.label([user(SECRET, 'secret')], DEFAULTS);
    const labelled = store.label([user('What is new?'), user(text)], DEFAULTS);
    expect(classesOf(labelled)).toEqual(['personal', 'secret']);
    expect(labelled.texts[1]?.source).toBe('fingerprint');
    expect(store.label([user(text, 'public')], DEFAULTS).class).toBe('secret');
  });

  it.each([
    'What is the price of a merger?',
    'The third of May is a public holiday.',
    'Who signs it, and when?',
    'In 2025 the answer is 84.',
    SECRET.slice(0, 20),
  ])("but not everybody's words: %s", (text) => {
    const store = newStore();
    store.label([user(SECRET, 'secret')], DEFAULTS);
    expect(classOf(store, text)).toBe('personal');
  });

  it.each([
    ['Cyrillic', 'Наше слияние закроется третьего мая, и об этом никто не знает'],
    ['Greek', 'Η συγχώνευση κλείνει την τρίτη Μαΐου και κανείς δεν το ξέρει'],
    ['Chinese', '合并将在五月三日完成，没有人知道这件事情'],
    ['Japanese', '合併は五月三日に完了しますが、誰も知りません'],
    ['Korean', '합병은 오월 삼일에 완료되며 아무도 모릅니다'],
    ['Arabic', 'سيتم الاندماج في الثالث من مايو ولا أحد يعرف ذلك'],
    ['Hindi', 'विलय तीन मई को पूरा होगा और यह किसी को नहीं पता है'],
    ['Thai', 'การควบรวมกิจการจะเสร็จสิ้นในวันที่สามพฤษภาคมและไม่มีใครรู้'],
  ])('in %s, quoted in part, and in capitals', (_, text) => {
    const store = newStore();
    store.label([user(text, 'secret')], DEFAULTS);
    const part = [...text].slice(4, -4).join('');
    for (const quote of [part, part.toUpperCase(), btoa(String.fromCharCode(...Buffer.from(part)))]) {
      expect(classOf(store, `"${quote}"!`)).toBe('secret');
    }
  });

  it('on every passage of 24 letters, wherever it begins and whatever stands around it', () => {
    const word = fc.stringMatching(/^[a-z]{1,9}$/);
    const words = fc.array(word, { minLength: 12, maxLength: 40 });
    fc.assert(
      fc.property(words, words, fc.nat(), (said, around, at) => {
        const store = newStore();
        const secret = said.join(' ');
        store.label([user(secret, 'secret')], DEFAULTS);
        const letters = said.join('');
        if (letters.length < 24) return;
        const start = at % (letters.length - 23);
        const quote = letters.slice(start, start + 24);
        expect(classOf(store, `${around.join(' ')} ${quote} ${around.join(' ')}`)).toBe('secret');
      }),
    );
  });

  it('on a short secret, as a word and not inside others', () => {
    const store = newStore();
    store.label([user('4711', 'secret'), user('hunter', 'secret'), user('yes', 'secret')], DEFAULTS);
    expect(['Is it 4711?', 'Not hunter!', 'yes'].map((text) => classOf(store, text))).toEqual(
      Array(3).fill('secret'),
    );
    expect(['Is it 47110?', 'headhunters', 'yes, please'].map((text) => classOf(store, text))).toEqual(
      Array(3).fill('personal'),
    );
  });

  it('and one that says less sticks to the whole text', () => {
    const store = newStore();
    store.label([user('The sky is blue.', 'public')], DEFAULTS);
    expect(classOf(store, ' The sky\nis blue. ')).toBe('public');
    expect(classOf(store, 'The sky is blue. And green.')).toBe('personal');
    store.label([user('The sky is blue.', 'secret')], DEFAULTS);
    expect(classOf(store, 'The sky is blue.')).toBe('secret');
  });

  it('on media', () => {
    const image = (privacy?: PrivacyClass): ChatMessageParam => ({
      role: 'user',
      content: [{ type: 'image_url', image_url: { url: 'data:,x' }, ...(privacy ? { privacy } : {}) }],
    });
    const store = newStore();
    store.label([image('public')], DEFAULTS);
    expect(store.label([image()], DEFAULTS).class).toBe('public');
  });

  it('on what a file says, and on its name', () => {
    const file = (filename: string, text: string, privacy?: PrivacyClass): ChatMessageParam => ({
      role: 'user',
      content: [{ type: 'file', file: { filename, file_data: btoa(text) }, ...(privacy ? { privacy } : {}) }],
    });
    const store = newStore();
    expect(classesOf(store.label([file('a.txt', 'b')], DEFAULTS))).toEqual(['secret', 'secret']);
    store.label([file('Zebulon Kreider at Nordwind.txt', SECRET, 'secret')], DEFAULTS);
    expect(classOf(store, SECRET)).toBe('secret');
    expect(classOf(store, 'zebulon-kreider-at-nordwind')).toBe('secret');
    expect(classesOf(store.label([file('a.txt', SECRET, 'public')], DEFAULTS))).toContain('secret');
  });

  it('also on what stands before it in the same request', () => {
    const labelled = newStore().label([user(`So: ${SECRET}`), user(SECRET, 'secret')], DEFAULTS);
    expect(classesOf(labelled)).toEqual(['secret', 'secret']);
  });

  it("a request's own label does not make the app's instructions secret for ever", () => {
    const store = newStore();
    const system: ChatMessageParam = { role: 'system', content: 'You are a helpful assistant who is kind.' };
    expect(store.label([system, user(SECRET)], { ...DEFAULTS, request: 'secret' }).class).toBe('secret');
    expect(classesOf(store.label([system, user('Hello')], DEFAULTS))).toEqual(['personal', 'personal']);
    expect(classOf(store, SECRET)).toBe('secret');
  });
});

describe('an answer', () => {
  const ANSWER = 'They agreed that the takeover is signed by the old man in spring.';

  it('is as private as the most private thing it was made from', () => {
    for (const privacy of ['public', 'personal', 'secret'] as const) {
      const store = newStore();
      const asked = [user('Hello', 'public'), user('More', privacy)];
      store.remember(ANSWER, store.label(asked, DEFAULTS), 'local');
      const again = store.label([user('x'), { role: 'assistant', content: ANSWER }], DEFAULTS);
      expect(again.texts[1]).toMatchObject({ class: privacy, source: 'fingerprint', provider: 'local' });
    }
  });

  it('to a secret is secret when it is quoted, also without the question', () => {
    const store = newStore();
    store.remember(ANSWER, store.label([user(SECRET, 'secret')], DEFAULTS), 'local');
    expect(classOf(store, `Translate: ${ANSWER.slice(5, 50)}`)).toBe('secret');
    expect(classOf(store, `Translate: ${btoa(ANSWER)}`)).toBe('secret');
  });

  it('that is short is known as an answer only', () => {
    const store = newStore();
    store.remember('Yes.', store.label([user(SECRET, 'secret')], DEFAULTS), 'local');
    expect(classOf(store, 'Yes.')).toBe('personal');
    expect(store.label([{ role: 'assistant', content: 'Yes.' }], DEFAULTS).class).toBe('secret');
  });

  it('that is short, in its place, has the class that it had there', () => {
    const store = newStore();
    store.remember('Yes.', store.label([user(SECRET, 'secret')], DEFAULTS), 'local');
    store.remember('Yes.', store.label([user('Is it blue?')], DEFAULTS), 'cloud');
    const yes: ChatMessageParam = { role: 'assistant', content: 'Yes.' };
    const open = store.label([user('Is it blue?'), yes], DEFAULTS);
    expect(open.texts[1]).toMatchObject({ class: 'personal', provider: 'cloud' });
    expect(store.label([user('Is it?'), yes], DEFAULTS).class).toBe('secret');
    expect(store.label([user(`${SECRET} `), yes], DEFAULTS).texts[1]).toMatchObject({ class: 'secret' });
  });

  it('may be a thought, several answers and calls of tools', () => {
    const store = newStore();
    const asked = store.label([user('Where?')], DEFAULTS);
    for (const text of ['Hm.', 'Here.', 'There.', '{"a":1}', '{"b":2}']) store.remember(text, asked, 'cloud');
    const call = (
      args: string,
    ): { id: string; type: 'function'; function: { name: string; arguments: string } } => ({
      id: 'c',
      type: 'function',
      function: { name: 'f', arguments: args },
    });
    for (const answer of [
      { reasoning_content: 'Hm.', content: 'There.' },
      { content: 'Here.' },
      { content: null, tool_calls: [call('{"a":1}'), call('{"b":2}')] },
    ]) {
      const again = store.label([user('Where?'), { role: 'assistant', ...answer }], DEFAULTS);
      expect(again.conversation.vault).toBe(asked.conversation.vault);
      for (const text of again.texts.slice(1)) expect(text.provider).toBe('cloud');
    }
  });

  it('makes the next answer as private, over many turns', () => {
    const store = newStore();
    let messages: ChatMessageParam[] = [user(SECRET, 'secret')];
    for (const answer of [
      'They agree on the whole thing, so they will.',
      'In the spring of next year, I think so.',
    ]) {
      const labelled = store.label(messages, DEFAULTS);
      expect(labelled.class).toBe('secret');
      store.remember(answer, labelled, 'local');
      messages = [{ role: 'assistant', content: answer }, user('And then?')];
    }
    expect(store.label(messages, DEFAULTS).class).toBe('secret');
  });

  it("does not make a model's phrases secret: what it says of other things too says nothing", () => {
    const phrase = 'I hope this helps. Let me know if you have any other questions about it.';
    for (const isBefore of [true, false]) {
      const store = newStore();
      const open = (): void =>
        store.remember(`Blue. ${phrase}`, store.label([user('Sky?')], DEFAULTS), 'cloud');
      if (isBefore) open();
      store.remember(`${ANSWER} ${phrase}`, store.label([user(SECRET, 'secret')], DEFAULTS), 'local');
      if (!isBefore) open();
      expect(store.label([{ role: 'assistant', content: `Blue. ${phrase}` }], DEFAULTS).class).toBe(
        'personal',
      );
      expect(classOf(store, `${phrase}`)).toBe('personal');
      expect(classOf(store, `So ${ANSWER}`)).toBe('secret');
      expect(classOf(store, SECRET)).toBe('secret');
    }
  });
});

describe('declassifying', () => {
  it('is recorded, and lets exactly that text go', () => {
    const store = newStore();
    const [first = '', rest = ''] = [SECRET.slice(0, 52), SECRET.slice(52)];
    store.label([user(SECRET, 'secret')], DEFAULTS);
    store.declassify(first, 'public', 'it is in the press release');
    expect(classOf(store, first)).toBe('public');
    expect(classOf(store, rest)).toBe('secret');
    expect(classOf(store, SECRET)).toBe('secret');
    store.label([user(`${SECRET} `, 'secret')], DEFAULTS);
    expect(classOf(store, `It says: ${first}`)).toBe('personal');
    expect(store.ledger.declassifications()).toEqual([
      { time: 7, from: 'secret', to: 'public', reason: 'it is in the press release' },
    ]);
  });
});

describe('a conversation', () => {
  it('keeps its vault while it goes on, and no other has it', () => {
    const store = newStore();
    const answer = 'Hello! What can I do for you?';
    const start = store.label([user('Hi')], DEFAULTS);
    store.remember(answer, start, 'cloud');
    const next: ChatMessageParam[] = [user('Hi'), { role: 'assistant', content: ` ${answer}` }, user('More')];
    const second = store.label(next, DEFAULTS);
    expect(second.conversation.vault).toBe(start.conversation.vault);
    store.remember('More what?', second, 'cloud');
    const third = store.label(
      [...next, { role: 'assistant', content: 'More what?' }, user('That')],
      DEFAULTS,
    );
    expect(third.conversation.vault).toBe(start.conversation.vault);
    expect(store.label([user('Hi')], DEFAULTS).conversation.vault).not.toBe(start.conversation.vault);
    const other = [user('Hey'), { role: 'assistant' as const, content: 'More what?' }];
    expect(store.label(other, DEFAULTS).conversation.vault).not.toBe(start.conversation.vault);
  });

  it('is known by a long answer when its beginning was cut off', () => {
    const store = newStore();
    const answer = 'A long answer, which nobody else gives to anybody in these words.';
    const start = store.label([user('Hi'), user('There')], DEFAULTS);
    store.remember(answer, start, 'cloud');
    const cut = store.label([{ role: 'assistant', content: answer }, user('More')], DEFAULTS);
    expect(cut.conversation.vault).toBe(start.conversation.vault);
  });
});

it('keys differ from store to store', () => {
  const hashes = [1, 2].map((seed) => {
    const store = newStore({ random: seeded(seed).below });
    return store.label([user('Hi')], DEFAULTS).conversation.vault.aliasOf('name', 'Anna');
  });
  expect(hashes[0]).not.toBe(hashes[1]);
});
