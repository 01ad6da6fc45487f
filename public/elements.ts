/**
 * The page's elements by their ids, checked once: a page and a script that do not fit fail at the start.
 */

export const elements = {
  engine: element('engine', HTMLElement),
  clear: element('clear', HTMLButtonElement),
  log: element('log', HTMLElement),
  welcome: element('welcome', HTMLElement),
  suggestions: element('suggestions', HTMLElement),
  loading: element('loading', HTMLElement),
  progress: element('progress', HTMLProgressElement),
  loadStatus: element('load-status', HTMLElement),
  trouble: element('trouble', HTMLElement),
  troubleText: element('trouble-text', HTMLElement),
  retry: element('retry', HTMLButtonElement),
  composer: element('composer', HTMLFormElement),
  prompt: element('prompt', HTMLTextAreaElement),
  send: element('send', HTMLButtonElement),
  stop: element('stop', HTMLButtonElement),
  announcement: element('announcement', HTMLElement),
  welcomeTitle: element('welcome-title', HTMLElement),
  privacy: element('privacy', HTMLSelectElement),
  ledger: element('ledger', HTMLDetailsElement),
  ledgerSummary: element('ledger-summary', HTMLElement),
  ledgerRows: element('ledger-rows', HTMLElement),
};

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${type.name} #${id}.`);
  return found;
}
