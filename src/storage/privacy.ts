/** How private what a request says is, as it is labelled: it decides where it may go and what may be kept. Types only. */

/** `secret` is never written, unless under a key that is not on the disk (content-rule.ts). */
export type Privacy = 'public' | 'personal' | 'secret';
