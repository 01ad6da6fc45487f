/** All that only pages with a cloud need: a module of its own, fetched when it is first used (load-routed.ts). */
export { replay } from '../router/decide.ts';
