// The recommendation as one page that needs nothing else: the answer and its reasons, a small chart a criterion, the table.

import type { KReport } from '../../jobs/index.ts';
import { escapeMarkup } from '../../support/index.ts';
import { thousands } from '../terminal.ts';
import {
  type CriterionColumn,
  criterionColumns,
  headline,
  shortNumber,
  votedK,
} from './k-criteria.ts';

const width = 320;
const height = 150;
const inset = { left: 8, right: 8, top: 12, bottom: 22 };

export function kReportHtml(report: KReport): string {
  const { reasons, points, coresetPoints, modelVersion, currentK, seed, ranges } = report;
  const offsets = ranges.map(({ partition, from, to }) => `${partition}: ${from} to ${to}`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>How many clusters? K = ${report.k}</title>
<style>${style}</style>
<h1>${escapeMarkup(headline(report))}</h1>
<ul>${reasons
    .slice(1)
    .map((reason) => `<li>${escapeMarkup(reason)}</li>`)
    .join('')}</ul>
<div class="charts">${criterionColumns.map((column) => figure(report, column)).join('')}</div>
${table(report)}
<footer>${thousands(points)} points, scored on a coreset of ${thousands(coresetPoints)}. Model ${escapeMarkup(modelVersion)} has K = ${currentK}.
Seed ${seed}. Offsets by partition: ${escapeMarkup(offsets.join(', '))}.</footer>
</html>
`;
}

function figure(report: KReport, column: CriterionColumn): string {
  const voted = votedK(report, column.criterion);
  const says = voted === undefined ? 'has no opinion' : `says ${voted}`;
  return `<figure><figcaption><b>${column.title}</b> ${says}<small>${column.reading}</small></figcaption>${chart(report, column, voted)}</figure>`;
}

function chart(report: KReport, { title, numberOf }: CriterionColumn, voted?: number): string {
  const { curve, k: recommended } = report;
  const known = curve.flatMap((point) => {
    const value = numberOf(point);
    return value === undefined ? [] : [{ k: point.k, value }];
  });
  const least = Math.min(...known.map(({ value }) => value));
  const span = Math.max(...known.map(({ value }) => value)) - least || 1;
  const x = (k: number) =>
    inset.left + ((k - 1) / Math.max(1, curve.length - 1)) * (width - inset.left - inset.right);
  const y = (value: number) =>
    height - inset.bottom - ((value - least) / span) * (height - inset.top - inset.bottom);
  const at = ({ k, value }: { k: number; value: number }) =>
    `${x(k).toFixed(1)},${y(value).toFixed(1)}`;
  const dots = known.map(({ k, value }) => {
    const kind = k === voted ? ' class="voted" r="5"' : ' r="2.5"';
    return `<circle${kind} cx="${x(k).toFixed(1)}" cy="${y(value).toFixed(1)}"><title>K = ${k}: ${shortNumber(value)}</title></circle>`;
  });
  const step = Math.ceil(curve.length / 10);
  const ticks = curve
    .filter(({ k }) => k === 1 || k % step === 0)
    .map(({ k }) => `<text x="${x(k).toFixed(1)}" y="${height - 6}">${k}</text>`);
  const guide = x(recommended).toFixed(1);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title} for each K">
<line class="guide" x1="${guide}" x2="${guide}" y1="0" y2="${height - inset.bottom}"/>
<polyline points="${known.map(at).join(' ')}"/>${dots.join('')}${ticks.join('')}</svg>`;
}

function table({ curve, k: recommended }: KReport): string {
  const head = ['K', ...criterionColumns.map(({ title }) => title), 'Stability'];
  const rows = curve.map((point) => {
    const cells = criterionColumns.map(({ numberOf }) => shortNumber(numberOf(point)));
    const mark = point.k === recommended ? ' class="recommended"' : '';
    const all = [String(point.k), ...cells, shortNumber(point.stability)];
    return `<tr${mark}>${all.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return `<table><thead><tr>${head.map((title) => `<th>${title}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

const style = `
:root { color-scheme: light dark; --ink: light-dark(#1c2230, #e8ebf2); --soft: light-dark(#5d6678, #9aa3b5);
  --line: light-dark(#2a62d9, #7aa5ff); --edge: light-dark(#dfe3ea, #2c3444); --page: light-dark(#fff, #12161f); }
body { max-width: 1080px; margin: 2rem auto; padding: 0 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; } ul { padding-left: 1.2rem; color: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .8rem; border: 1px solid var(--edge); border-radius: 8px; }
figcaption small { display: block; color: var(--soft); }
svg { width: 100%; } polyline { fill: none; stroke: var(--line); stroke-width: 1.8; }
circle { fill: var(--line); } circle.voted { fill: var(--page); stroke: var(--line); stroke-width: 2.5; }
.guide { stroke: var(--soft); stroke-dasharray: 3 4; } svg text { fill: var(--soft); font-size: 10px; text-anchor: middle; }
table { width: 100%; margin-top: 1.5rem; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--edge); text-align: right; }
th { color: var(--soft); font-weight: 500; } .recommended td { font-weight: 700; }
footer { margin: 1.5rem 0; color: var(--soft); font-size: 13px; }
`;
