/** How much of what is personal is masked, and how much of what is not, at each threshold of the tagger. */
import type { LabelledText } from './prompts.ts';

export interface Measure {
  /** Share of the spans of which every letter and digit is masked. */
  spans: number;
  /** Share of the characters outside of spans that are masked. */
  overMasking: number;
  spanCount: number;
}

export interface Masked {
  start: number;
  end: number;
}

export function measure(texts: readonly LabelledText[], masks: readonly (readonly Masked[])[]): Measure {
  let [covered, spanCount, over, outside] = [0, 0, 0, 0];
  texts.forEach(({ text, spans }, at) => {
    const masked = marks(text.length, masks[at]!);
    const personal = marks(text.length, spans);
    for (const { start, end } of spans) {
      spanCount++;
      if (isCovered(text, masked, start, end)) covered++;
    }
    for (let unit = 0; unit < text.length; unit++) {
      if (personal[unit] === 1) continue;
      outside++;
      over += masked[unit]!;
    }
  });
  return { spans: covered / spanCount, overMasking: over / outside, spanCount };
}

export function missed({ text, spans }: LabelledText, masks: readonly Masked[]): string[] {
  const masked = marks(text.length, masks);
  return spans
    .filter(({ start, end }) => !isCovered(text, masked, start, end))
    .map(({ start, end }) => text.slice(start, end));
}

function isCovered(text: string, masked: Uint8Array, start: number, end: number): boolean {
  for (let unit = start; unit < end; unit++)
    if (masked[unit] === 0 && /[\p{L}\p{N}]/u.test(text[unit]!)) return false;
  return true;
}

function marks(length: number, spans: readonly Masked[]): Uint8Array {
  const marked = new Uint8Array(length);
  for (const { start, end } of spans) marked.fill(1, start, end);
  return marked;
}
