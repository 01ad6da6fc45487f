/** What a streamed text says about the place one is at. Types only. */

/** In running text, in code, or in an address. */
export type Place = 'text' | 'code' | 'url';

export interface TextPlace {
  /** The text goes on. */
  advance(text: string): void;
  here(): Place;
  /** A value as it has to be written at this place. */
  quote(value: string): string;
}
