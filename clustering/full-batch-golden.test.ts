import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { chooseKernels, fitFullBatch, fitScaler, scalePoints } from './index.ts';

// Real data against scikit-learn's full-batch fit (test/golden/make-golden.py): the same standardised points. Its inertia is
// the best of 30 runs, ours of 100; one run is a matter of luck: on Digits, of 200 of ours 2 to 5 % came within 0.1 % of
// it, of 100 of its own 1 to 9 %; the medians are 1.012 to 1.031 and 1.012 to 1.028 of it.

const golden = JSON.parse(
  readFileSync(new URL('../test/golden/scikit-learn.json', import.meta.url), 'utf8'),
) as { data: Record<string, { rows: number; fits: { k: number; inertia: number }[] }> };
const seeds = 10;
const { kernels } = chooseKernels();

const cases = Object.entries(golden.data).flatMap(([name, { fits }]) =>
  fits.map(({ k, inertia }) => ({ name, k, inertia })),
);

it.each(cases)('is no more than 0.1 % above scikit-learn on $name for k = $k', (each) => {
  const points = standardised(each.name);
  const fits = Array.from({ length: seeds }, (_, seed) =>
    fitFullBatch({ ...points, k: each.k, seed, kernels, nInit: 10 }),
  );
  const inertias = fits.map(({ inertia }) => inertia);
  expect(Math.min(...inertias) / each.inertia).toBeLessThanOrEqual(1.001);
});

function standardised(name: string) {
  const path = new URL(`../examples/data/${name}.csv.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(path)).toString().trim().split('\n');
  const rows = lines.map((line) => line.split(',').slice(0, -1).map(Number));
  if (rows[0]!.some(Number.isNaN)) rows.shift();
  const dims = rows[0]!.length;
  const values = Float32Array.from(rows.flat());
  const { mean, scale } = fitScaler(values, rows.length, dims);
  scalePoints(values, rows.length, dims, mean, scale, values);
  return { n: rows.length, dims, values };
}
