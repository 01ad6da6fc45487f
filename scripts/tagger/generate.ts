/**
 * Texts with labelled spans for the tagger to learn from: sentences of `templates.ts` filled in with made-up persons, and
 * hand-written prompts whose spans are filled in anew. Everything is drawn from seeded generators, so that the same texts
 * come out every time.
 */
import { allFakers, type Faker } from '@faker-js/faker';
import type { FindingKind } from '../../src/privacy/detection.ts';
import type { LabelledSpan, LabelledText } from './prompts.ts';
import { impersonal as moreImpersonal } from './impersonal.ts';
import { personal as morePersonal } from './personal.ts';
import { figures, templates } from './templates.ts';

const KINDS: Record<string, FindingKind> = {
  n: 'name',
  f: 'name',
  l: 'name',
  a: 'address',
  o: 'organisation',
  d: 'date-of-birth',
  p: 'phone',
  e: 'email',
};
const SLOT = /\[([nfladope])\]|\{(city|country|product|year|amount|figure)\}/g;
/** So that nobody grows older from one training to the next. */
const TODAY = '2025-01-01T00:00:00.000Z';
/** How often a sentence has something personal in it. */
const PERSONAL_SHARE = 0.45;
/** How often people write everything in small letters, or names in capitals. */
const SMALL_SHARE = 0.07;
const CAPITALS_SHARE = 0.03;
const ORGANISATIONS: Record<string, readonly string[]> = {
  en: ['# Surgery', '# School', '# Primary School', '# College', '# Logistics', '# Dental Practice', '# & # Ltd', '# Solicitors', '# Bakery', '# Motors', 'St #’s Hospital', '# Veterinary Clinic', '# Construction', '# Books'],
  de: ['# GmbH', '# & Söhne', 'Bäckerei #', 'Praxis Dr. #', 'Autohaus #', '#-Schule', '# Maschinenbau GmbH', 'Kanzlei # & #'],
  fr: ['Boulangerie #', 'Cabinet #', 'Garage #', '# et Fils', 'Lycée #', 'Établissements #', 'Pharmacie #'],
  es: ['Talleres #', 'Panadería #', 'Clínica #', 'Colegio #', 'Transportes #', '# Hermanos S.L.'],
  it: ['Studio #', 'Panificio #', 'Officina #', 'Scuola #', '# S.r.l.'],
  pt: ['Padaria #', 'Oficina #', 'Clínica #', 'Escola #', '# Ltda.'],
  nl: ['Bakkerij #', 'Garage #', 'Tandartspraktijk #', '# B.V.', '#school'],
  pl: ['# Sp. z o.o.', 'Piekarnia #', 'Kancelaria #', 'Warsztat #'],
  sv: ['# AB', 'Bageri #', '# Bygg AB', '#skolan'],
  ru: ['ООО «#»', 'Клиника «#»', 'Школа «#»'],
  ja: ['株式会社#', '#クリニック', '#商事', '#小学校'],
  zh: ['#有限公司', '#诊所', '#小学', '#科技公司'],
  ko: ['주식회사 #', '#의원', '#초등학교', '#상사'],
}; // prettier-ignore

export function generateTexts(count: number, seed: number): LabelledText[] {
  const chance = allFakers.en;
  chance.seed(seed);
  const locales = Object.keys(templates);
  // All of them: prompts are in locales that have no templates too.
  for (const faker of Object.values(allFakers)) faker.seed(seed);
  return Array.from({ length: count }, () => {
    // English twice as often: it is what half of all prompts are in.
    const locale = chance.number.float() < 0.15 ? 'en_GB' : chance.helpers.arrayElement(locales);
    return generateText(locale, chance);
  });
}

function generateText(locale: string, chance: Faker): LabelledText {
  const personal = [...templates[locale]!.personal, ...(morePersonal[locale] ?? [])];
  const impersonal = [...templates[locale]!.impersonal, ...(moreImpersonal[locale] ?? [])];
  const sentences = Array.from({ length: chance.number.int({ min: 1, max: 4 }) }, () =>
    chance.helpers.arrayElement(chance.number.float() < PERSONAL_SHARE ? personal : impersonal),
  );
  const joint = chance.helpers.arrayElement([' ', ' ', '\n', '\n\n']);
  return written(fill(locale, sentences.join(joint), chance), chance);
}

function fill(locale: string, template: string, chance: Faker): LabelledText {
  const spans: LabelledSpan[] = [];
  let text = '';
  let from = 0;
  for (const match of template.matchAll(SLOT)) {
    text += template.slice(from, match.index);
    const value =
      match[1] === undefined
        ? known(locale, match[2]!, chance)
        : invent(locale, KINDS[match[1]]!, match[1], chance);
    if (match[1] !== undefined)
      spans.push({ start: text.length, end: text.length + value.length, kind: KINDS[match[1]]! });
    text += value;
    from = match.index + match[0].length;
  }
  return { locale, text: text + template.slice(from), spans };
}

/** A prompt with other persons in it; kinds that have a form of their own stay as they are. */
export function withOthers(prompt: LabelledText, chance: Faker): LabelledText {
  if (allFakers[prompt.locale as keyof typeof allFakers] === undefined) return prompt;
  const spans: LabelledSpan[] = [];
  let text = '';
  let from = 0;
  for (const { start, end, kind } of prompt.spans) {
    text += prompt.text.slice(from, start);
    const before = prompt.text.slice(start, end);
    const slot = kind === 'name' ? (/[\s・]/.test(before) ? 'n' : 'f') : '';
    const value = ['name', 'address', 'organisation', 'date-of-birth'].includes(kind)
      ? invent(prompt.locale, kind, slot, chance)
      : before;
    spans.push({ start: text.length, end: text.length + value.length, kind });
    text += value;
    from = end;
  }
  return written({ locale: prompt.locale, text: text + prompt.text.slice(from), spans }, chance);
}

/** As people write: now and then all small, or a name in capitals. Offsets stay, unless a letter changes its length. */
function written(one: LabelledText, chance: Faker): LabelledText {
  const draw = chance.number.float();
  if (draw < SMALL_SHARE) {
    const small = one.text.toLowerCase();
    return small.length === one.text.length ? { ...one, text: small } : one;
  }
  if (draw > SMALL_SHARE + CAPITALS_SHARE) return one;
  let { text } = one;
  for (const { start, end } of one.spans) {
    const capitals = text.slice(start, end).toUpperCase();
    if (capitals.length === end - start) text = text.slice(0, start) + capitals + text.slice(end);
  }
  return { ...one, text };
}

export function fakerOf(locale: string): Faker {
  return allFakers[locale as keyof typeof allFakers];
}

function invent(locale: string, kind: FindingKind, slot: string, chance: Faker): string {
  const faker = fakerOf(locale);
  if (kind === 'name') return nameOf(faker, locale, slot, chance);
  if (kind === 'address') return addressOf(faker, locale, chance);
  if (kind === 'organisation') return organisationOf(faker, locale, chance);
  if (kind === 'date-of-birth') return birthOf(faker, locale, chance);
  return kind === 'phone' ? faker.phone.number() : faker.internet.email();
}

function nameOf(faker: Faker, locale: string, slot: string, chance: Faker): string {
  const [first, last] = [faker.person.firstName(), faker.person.lastName()];
  if (slot === 'f') return chance.number.float() < 0.1 ? faker.person.lastName() : first;
  if (slot === 'l') return last;
  if (['ja', 'zh_CN', 'ko'].includes(locale))
    return chance.number.float() < 0.2 && locale === 'ja' ? `${last} ${first}` : last + first;
  if (locale === 'hu' || chance.number.float() < 0.05) return `${last} ${first}`;
  const draw = chance.number.float();
  if (draw < 0.06) return `${first} ${first.charAt(0)}. ${last}`;
  if (draw < 0.1) return `${first.charAt(0)}. ${last}`;
  if (draw < 0.16) return `${first} ${last}-${faker.person.lastName()}`;
  if (draw < 0.2) return `${last}, ${first}`;
  return `${first} ${last}`;
}

function addressOf(faker: Faker, locale: string, chance: Faker): string {
  const { location } = faker;
  const street = location.streetAddress(chance.number.float() < 0.15);
  if (['ja', 'zh_CN'].includes(locale))
    return location.state() + location.city() + street.replaceAll(' ', '');
  if (locale === 'ko') return `${location.state()} ${location.city()} ${street}`;
  const [city, code] = [location.city(), location.zipCode()];
  const flat = chance.number.float() < 0.12 ? `Flat ${chance.number.int({ min: 1, max: 60 })}, ` : '';
  const draw = chance.number.float();
  if (draw < 0.35) return street;
  if (locale === 'en_US') return `${street}, ${city}, ${location.state({ abbreviated: true })} ${code}`;
  if (locale.startsWith('en'))
    return draw < 0.5 ? `${flat}${street}, ${city}` : `${flat}${street}, ${city} ${code}`;
  if (locale === 'ru' || locale === 'uk')
    return `${draw < 0.6 ? 'г. ' : ''}${city}, ${street}, кв. ${chance.number.int({ min: 1, max: 200 })}`;
  return draw < 0.85 ? `${street}, ${code} ${city}` : `${street}\n${code} ${city}`;
}

function organisationOf(faker: Faker, locale: string, chance: Faker): string {
  const forms = ORGANISATIONS[locale.slice(0, 2)];
  if (forms === undefined || chance.number.float() < 0.3) return faker.company.name();
  return chance.helpers
    .arrayElement(forms)
    .replaceAll('#', () => (chance.number.float() < 0.6 ? faker.person.lastName() : faker.location.city()));
}

function birthOf(faker: Faker, locale: string, chance: Faker): string {
  const date = faker.date.birthdate({ refDate: TODAY });
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
  const two = (value: number): string => String(value).padStart(2, '0');
  const long = new Intl.DateTimeFormat(locale.replace('_', '-'), {
    dateStyle: 'long',
    timeZone: 'UTC',
  }).format(date);
  const us = locale === 'en_US';
  return chance.helpers.arrayElement([
    us ? `${two(month)}/${two(day)}/${year}` : `${two(day)}.${two(month)}.${year}`,
    `${two(day)}/${two(month)}/${year}`,
    `${year}-${two(month)}-${two(day)}`,
    long,
    long,
  ]);
}

/** What is of public knowledge, and so nobody's secret. */
function known(locale: string, what: string, chance: Faker): string {
  const faker = fakerOf(locale);
  switch (what) {
    case 'city':
      return faker.location.city();
    case 'country':
      return faker.location.country();
    case 'product':
      return faker.commerce.productName();
    case 'year':
      return String(chance.number.int({ min: 1500, max: 2024 }));
    case 'amount':
      return String(chance.number.int({ min: 10, max: 900 }));
    default:
      return chance.helpers.arrayElement(figures);
  }
}
