import { expect, it } from 'vitest';
import { chooseKernels, recommendK } from '../../clustering/index.ts';
import { gaussianMixture } from '../../clustering/testing/gaussian-mixtures.ts';
import type { KReport } from '../../jobs/index.ts';
import { kReportHtml } from './k-report-html.ts';
import { kReportText } from './k-report-text.ts';

const mixture = gaussianMixture({ k: 4, dims: 3, separation: 8, n: 800, seed: 2 });
const { kernels } = chooseKernels();
const report: KReport = {
  ...recommendK({ ...mixture, kMax: 9, seed: 1, kernels }),
  ...{ modelVersion: '1.0.7', currentK: 8, kMax: 9, seed: 1, points: 123_456, coresetPoints: 800 },
  ranges: [{ partition: 0, from: 0, to: 123_456, committed: true }],
  durationMs: 12,
};

it('draws a row of bars for every criterion, its vote in brackets under the K it votes for', () => {
  const lines = kReportText(report).split('\n');
  expect(lines[0]).toMatch(/^K = 4, confidence [01]\.\d\d\. separation/);
  const axis = lines.find((line) => line.startsWith('K  '))!;
  for (const title of [
    'Overlap',
    'Gap',
    'Silhouette',
    'Calinski-Harabasz',
    'Davies-Bouldin',
    'Inertia',
  ]) {
    const row = lines.find((line) => line.startsWith(`${title} `))!;
    const says = /says (\d+)$/.exec(row);
    if (says === null) continue;
    const column = row.search(/\[.\]/) + 1;
    expect(axis.slice(column - 1, column + 2).trim(), title).toContain(says[1]);
  }
  expect(lines.at(-1)).toContain('123,456 points');
});

it('writes a page that asks nobody for anything, with a chart and a column for every criterion', () => {
  const page = kReportHtml(report);
  expect(page.match(/<svg /g)).toHaveLength(6);
  expect(page.match(/<tr/g)).toHaveLength(10);
  expect(page).toContain('<tr class="recommended"><td>4</td>');
  expect(page).not.toMatch(/(src|href)=|NaN|undefined/);
});

it('says that there are no clusters when one is the answer', () => {
  const text = kReportText({ ...report, k: 1 });
  expect(text).toMatch(/^No clusters \(K = 1\)/);
});
