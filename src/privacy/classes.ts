/**
 * How private something is. The classes are ordered, and what is made of several things is as private as the most
 * private of them: `joinClasses`.
 */

/** `public` may leave; `personal` leaves only redacted; `secret`, and what derives from it, never leaves. */
export type PrivacyClass = 'public' | 'personal' | 'secret';

/** In their order. */
export const PRIVACY_CLASSES: readonly PrivacyClass[] = ['public', 'personal', 'secret'];

export function isAtMost(privacy: PrivacyClass, limit: PrivacyClass): boolean {
  return PRIVACY_CLASSES.indexOf(privacy) <= PRIVACY_CLASSES.indexOf(limit);
}

/** Of nothing: public. */
export function joinClasses(...classes: readonly PrivacyClass[]): PrivacyClass {
  return classes.reduce<PrivacyClass>((joined, one) => (isAtMost(one, joined) ? joined : one), 'public');
}
