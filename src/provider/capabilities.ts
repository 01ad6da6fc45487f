/** What a provider can do, as gates compare it with what a request needs. Types only. */

export interface Capabilities {
  /** Longest prompt with answer, in its own tokens. */
  contextLength: number;
  tools: boolean;
  /** `response_format` other than text. */
  json: boolean;
  /** Parts that are not text. */
  images: boolean;
  logprobs: boolean;
  /** More than one answer to a request. */
  n: boolean;
  /** Whether it can go on with an answer that was begun: in every case, where the endpoint takes a prefix, or not at all. */
  continues: 'always' | 'prefix' | 'no';
}
