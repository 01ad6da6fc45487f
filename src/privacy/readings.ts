/** A text as it is compared: the letters of each of its views. Made once for a text, whatever is looked for in it. */
import type { Letters, ReadLetters } from './letters.ts';
import { viewsOf } from './views.ts';
import type { View } from './views.ts';

export interface Reading extends View {
  letters: Letters;
}

export function readingsOf(text: string, read: ReadLetters): Reading[] {
  return viewsOf(text).map((view) => ({ ...view, letters: read(view.text) }));
}
