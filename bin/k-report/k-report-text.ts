// The recommendation in a terminal: one row of bars a criterion, the voted K in brackets, and the reasons.

import type { KReport } from '../../jobs/index.ts';
import { thousands } from '../terminal.ts';
import { criterionColumns, headline, votedK } from './k-criteria.ts';

const bars = '▁▂▃▄▅▆▇█';
const titleWidth = Math.max(...criterionColumns.map(({ title }) => title.length));

export function kReportText(report: KReport): string {
  const { curve, reasons, points, coresetPoints, modelVersion, currentK } = report;
  const axis = curve.map(({ k }) => String(k).padStart(3)).join('');
  const rows = criterionColumns.map(({ criterion, title, numberOf }) => {
    const voted = votedK(report, criterion);
    const drawn = barRow(curve.map(numberOf), voted);
    return `${title.padEnd(titleWidth)} ${drawn}   ${voted === undefined ? '–' : `says ${voted}`}`;
  });
  return [
    headline(report),
    ...reasons.slice(1),
    '',
    `${'K'.padEnd(titleWidth)} ${axis}`,
    ...rows,
    '',
    `${thousands(points)} points, scored on ${thousands(coresetPoints)} that stand for them; the model ${modelVersion} has K = ${currentK}.`,
  ].join('\n');
}

/** Each value three columns wide, scaled between the least and the most of its row; the voted one in brackets. */
function barRow(values: readonly (number | undefined)[], voted: number | undefined): string {
  const known = values.filter((value) => value !== undefined);
  const least = Math.min(...known);
  const span = Math.max(...known) - least || 1;
  return values
    .map((value, i) => {
      const level = value === undefined ? -1 : Math.round(((value - least) / span) * 7);
      const bar = level < 0 ? ' ' : bars[level]!;
      return i + 1 === voted ? `[${bar}]` : ` ${bar} `;
    })
    .join('')
    .trimEnd()
    .padEnd(values.length * 3);
}
