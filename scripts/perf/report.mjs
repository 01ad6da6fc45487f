/**
 * out/perf.html: one plot for the ratios against what the table asks for, one for each metric's speeds. Plain
 * SVG in one file, so that it can be looked at anywhere and kept. Pure: result -> HTML.
 */
const WIDTH = 860;
const LABEL = 330;
const ROW = 26;

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: ${WIDTH}px; color: #222; background: #fff; }
svg { width: 100%; height: auto; } text { font-size: 13px; fill: #222; } .note { fill: #666; }
.met { fill: #1a7f37; stroke: #1a7f37; } .missed, .failed { fill: #b42318; stroke: #b42318; }
.unclear { fill: #9a6700; stroke: #9a6700; } .ours { fill: #1f5fbf; } .theirs { fill: #a9b4c2; }
.grid { stroke: #e3e6ea; } .least { stroke: #222; } .aim { stroke: #999; stroke-dasharray: 3 3; }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #16181c; } text { fill: #ddd; } .note { fill: #999; }
.grid { stroke: #33383f; } .least { stroke: #ddd; } }`;

export function renderReport(result) {
  const { machine, date, quick, rows } = result;
  const ratios = rows.filter((row) => typeof row.ratio === 'number');
  const speeds = rows.filter((row) => row.unit === 'tok/s');
  const exact = rows.filter((row) => row.verdict && typeof row.ratio !== 'number');
  const metrics = [...new Set(speeds.map((row) => row.metric))];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>selvedge: measured</title><style>${STYLE}</style>
<h1>selvedge: measured</h1>
<p>${escape(`${date.slice(0, 10)}, ${machine.cpu}, ${machine.cores} cores, Chromium ${machine.browser}${quick ? ', quick' : ''}`)}</p>
<p>Instructions: ${escape(machine.flags.join(' '))}</p>
<h2>Ratios: median of pairs and its 95 % interval</h2>
<p>A solid mark is the least that must be reached, a dashed one the aim. The scale is logarithmic.</p>
${ratios.length > 0 ? plotRatios(ratios) : '<p>None were measured.</p>'}
${exact.length > 0 ? tableOf(exact) : ''}
${metrics.map((metric) => `<h2>${escape(metric)}, tokens per second</h2>${plotSpeeds(speeds.filter((r) => r.metric === metric))}`).join('\n')}
</html>
`;
}

function plotRatios(rows) {
  const marks = rows.flatMap((row) =>
    [row.low, row.high, row.atLeast, row.atMost, row.aim].filter((v) => v > 0),
  );
  const lowest = Math.min(...marks, 0.5) / 1.2;
  const highest = Math.max(...marks, 2) * 1.2;
  const x = (value) => LABEL + (Math.log(value / lowest) / Math.log(highest / lowest)) * (WIDTH - LABEL - 60);
  const grid = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50].filter((v) => v > lowest && v < highest);
  const height = rows.length * ROW + 30;
  const lines = grid.map(
    (v) => `<line class="grid" x1="${x(v)}" x2="${x(v)}" y1="0" y2="${height - 24}"/>
<text class="note" x="${x(v)}" y="${height - 8}" text-anchor="middle">${v}</text>`,
  );
  const drawn = rows.map((row, i) => {
    const y = i * ROW + ROW / 2;
    const mark = (value, kind) =>
      value > 0
        ? `<line class="${kind}" x1="${x(value)}" x2="${x(value)}" y1="${y - 9}" y2="${y + 9}"/>`
        : '';
    return `<text x="0" y="${y + 5}">${escape(nameOf(row))}</text>
<g class="${row.verdict ?? 'met'}"><line stroke-width="3" x1="${x(row.low)}" x2="${x(row.high)}" y1="${y}" y2="${y}"/>
<circle cx="${x(row.ratio)}" cy="${y}" r="5"/></g>${mark(row.atLeast ?? row.atMost, 'least')}${mark(row.aim, 'aim')}
<text x="${WIDTH}" y="${y + 5}" text-anchor="end">${row.ratio.toFixed(2)} x</text>`;
  });
  return svg(height, 'Ratios of selvedge to its peers', lines.join('') + drawn.join(''));
}

function plotSpeeds(rows) {
  const highest = Math.max(...rows.map((row) => row.value));
  const drawn = rows.map((row, i) => {
    const y = i * ROW;
    const width = (row.value / highest) * (WIDTH - LABEL - 90);
    return `<text x="0" y="${y + 18}">${escape(engineOf(row))}</text>
<rect class="${row.engine === 'selvedge' ? 'ours' : 'theirs'}" x="${LABEL}" y="${y + 5}" width="${width}" height="${ROW - 8}"/>
<text x="${LABEL + width + 6}" y="${y + 18}">${row.value.toFixed(1)}</text>`;
  });
  return svg(rows.length * ROW + 4, 'Tokens per second', drawn.join(''));
}

function tableOf(rows) {
  const cells = rows.map(
    (row) =>
      `<tr><td>${escape(row.metric)}</td><td>${escape(row.error ?? `${row.value.toFixed(2)} ${row.unit}`)}</td>` +
      `<td>${row.atMost === undefined ? '' : `at most ${row.atMost}`}</td><td>${row.verdict}</td></tr>`,
  );
  return `<table cellpadding="6"><tr><th>metric</th><th>value</th><th>promise</th><th></th></tr>${cells.join('')}</table>`;
}

function svg(height, label, content) {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}">${content}</svg>`;
}

function nameOf(row) {
  const against = row.against ? ` / ${row.against.engine} ${row.against.model}` : '';
  return `${row.metric}, ${threadsOf(row)}${against}`;
}

function engineOf(row) {
  return `${row.engine} ${row.model}${row.simd ? ` ${row.simd}` : ''}${row.what ? ` ${row.what}` : ''}, ${threadsOf(row)}`;
}

function threadsOf({ threads }) {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
