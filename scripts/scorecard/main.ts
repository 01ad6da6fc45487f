/** Measures every gate, prints it and writes docs/scorecard.md. Nothing in that file is written by hand. */
import { writeFileSync } from 'node:fs';
import { format } from 'prettier';
import type { Gate, GateResult } from './gate.ts';
import { gates } from './gates.ts';

const FILE = 'docs/scorecard.md';

const rows: { gate: Gate; result: GateResult }[] = [];
for (const gate of gates) {
  const result = await gate.measure();
  rows.push({ gate, result });
  console.log(
    `${gate.id}  ${gate.what}\n    ${result.value}  [${gate.target ?? 'no target'}]  ${verdict(result)}`,
  );
}
writeFileSync(FILE, await format(page(), { parser: 'markdown', printWidth: 110 }));
if (rows.some(({ result }) => result.met === false)) console.log(`\nNot every gate is met: ${FILE}`);

function page(): string {
  return [
    '# Scorecard',
    '',
    'Written by `npm run scorecard`, which measures all of it again. A figure without a target is published as it is.',
    '',
    '| gate | what | figure | target | met |',
    '| --- | --- | --- | --- | --- |',
    ...rows.map(
      ({ gate, result }) =>
        `| ${gate.id} | ${gate.what} | ${result.value} | ${gate.target ?? '-'} | ${verdict(result)} |`,
    ),
    ...rows.flatMap(({ gate, result }) => ['', `## ${gate.id}: ${gate.what}`, '', result.note]),
    '',
  ].join('\n');
}

function verdict({ met }: GateResult): string {
  if (met === null) return '-';
  return met ? 'yes' : '**no**';
}
