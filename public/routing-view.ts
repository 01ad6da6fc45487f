/**
 * Who answered, and what left: a badge on every answer, behind it the decision in words, and the ledger of all that was sent
 * from this page. What the page shows of it is what the library says of it.
 */
import type { Client, Decision, LedgerRow } from '../src/index.ts';
import { elements } from './elements.ts';

const { privacy, ledger, ledgerSummary, ledgerRows, welcomeTitle } = elements;

/** A badge. With a decision it opens, and says why. */
export function createBadge(decision: Decision | undefined): HTMLElement {
  if (!decision) return element('p', 'badge', badgeText(undefined));
  const details = element('details', 'decision');
  const reasons = element('ul', 'reasons');
  for (const line of reasonLines(decision)) reasons.append(element('li', '', line));
  details.dataset['decision'] = decision.id;
  details.append(element('summary', 'badge', badgeText(decision)), element('p', '', decision.words), reasons);
  return details;
}

function badgeText(decision: Decision | undefined): string {
  switch (decision?.plan) {
    case 'cloud':
      return `Sent to ${decision.provider}`;
    case 'cloud-redacted':
      return `Redacted, sent to ${decision.provider}`;
    default:
      return 'On this device';
  }
}

/** Who would have been next, and why others were turned down, by every gate that did. */
function reasonLines({ reasons, alternatives }: Decision): string[] {
  const vetoes = new Map<string, string[]>();
  for (const reason of reasons) {
    if (reason.verdict === 'pass') continue;
    const name = planName(reason);
    vetoes.set(name, [...(vetoes.get(name) ?? []), reason.words]);
  }
  return [
    ...alternatives.map((plan) => `${planName(plan)} would have been next.`),
    ...[...vetoes].map(([name, words]) => `Not ${name.toLowerCase()}: ${words.join(' ')}`),
  ];
}

function planName({ kind, provider }: Pick<Decision['reasons'][number], 'kind' | 'provider'>): string {
  if (kind === 'local') return 'On this device';
  return kind === 'cloud' ? `As it is to ${provider}` : `Redacted to ${provider}`;
}

/** Shows what only pages with an endpoint have: the choice of how private a message is, and the ledger. */
export function showRouting(client: Client): void {
  privacy.hidden = false;
  ledger.hidden = false;
  welcomeTitle.textContent = 'What is secret stays on this device';
  client.on('route-egress', ({ row }) => addRow(row));
  client.on('route-end', ({ decisionId, provider }) => {
    const summary = document.querySelector(`[data-decision='${decisionId}'] > summary`);
    const name = provider === 'local' ? 'this device' : provider;
    // Where another one took over, both are named.
    if (summary?.textContent && !summary.textContent.toLowerCase().includes(name.toLowerCase())) {
      summary.textContent += `, ended by ${name}`;
    }
  });
}

function addRow(row: LedgerRow): void {
  const { time, outcome, host, bytes, labels } = row;
  const line = document.createElement('tr');
  const cells = [
    new Date(time).toLocaleTimeString(),
    outcome === 'sent' ? 'sent' : 'kept back',
    host,
    `${bytes} bytes`,
    `at most ${labels.at(-1) ?? 'public'}`,
  ];
  line.append(...cells.map((text) => element('td', '', text)));
  ledgerRows.append(line);
  const sent = ledgerRows.childElementCount;
  ledgerSummary.textContent =
    sent === 1 ? 'What left this page: 1 request' : `What left this page: ${sent} requests`;
}

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className: string,
  text = '',
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
