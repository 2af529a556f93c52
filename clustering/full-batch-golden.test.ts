import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { chooseKernels, fitFullBatch, fitScaler, scalePoints } from './index.ts';

// Real data against scikit-learn's full-batch fit (test/golden/make-golden.py): the same standardised points, the same number of
// seeds and of runs for each from k-means++ seeds, the best of each side.

const golden = JSON.parse(
  readFileSync(new URL('../test/golden/scikit-learn.json', import.meta.url), 'utf8'),
) as { sameRuns: SameRuns };
const { nInit, randomStates, data } = golden.sameRuns;
const { kernels } = chooseKernels();

interface SameRuns {
  readonly nInit: number;
  readonly randomStates: number;
  readonly data: Record<string, { k: number; inertias: number[] }[]>;
}

describe.each(Object.entries(data))('the best full-batch fit of %s', (name, cases) => {
  const points = standardised(name);

  it.each(cases)('is no more than 0.1 % above scikit-learn for k = $k', ({ k, inertias }) => {
    expect(inertias).toHaveLength(randomStates);
    const ours = inertias.map(
      (_, seed) => fitFullBatch({ ...points, k, seed, kernels, nInit }).inertia,
    );
    expect(Math.min(...ours) / Math.min(...inertias)).toBeLessThanOrEqual(1.001);
  });
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
