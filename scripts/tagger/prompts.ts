/**
 * The hand-written prompts, with their spans. Two thirds are trained on; the other third is the test, and nothing is chosen
 * by it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FindingKind } from '../../src/privacy/detection.ts';

export interface LabelledSpan {
  start: number;
  end: number;
  kind: FindingKind;
}

export interface LabelledText {
  /** A locale of the generator. */
  locale: string;
  text: string;
  spans: readonly LabelledSpan[];
}

/** In the files, `⟦kind:text⟧` is a span. */
const MARK = /⟦([a-z-]+):([^⟧]*)⟧/g;
const HELD_OUT_EVERY = 3;

/** @param folder of the files: an object each, from locale to prompts */
export function readPrompts(folder: string): { train: LabelledText[]; heldOut: LabelledText[] } {
  const files = readdirSync(folder).toSorted();
  const all = files.flatMap((file) => {
    const locales = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, string[]>;
    return Object.entries(locales).flatMap(([locale, texts]) => texts.map((text) => parse(locale, text)));
  });
  const isHeldOut = (_: unknown, at: number): boolean => at % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
  return { train: all.filter((one, at) => !isHeldOut(one, at)), heldOut: all.filter(isHeldOut) };
}

export function parse(locale: string, marked: string): LabelledText {
  const spans: LabelledSpan[] = [];
  let text = '';
  let from = 0;
  for (const match of marked.matchAll(MARK)) {
    text += marked.slice(from, match.index);
    spans.push({ start: text.length, end: text.length + match[2]!.length, kind: match[1] as FindingKind });
    text += match[2]!;
    from = match.index + match[0].length;
  }
  return { locale, text: text + marked.slice(from), spans };
}
