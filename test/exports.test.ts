// Exported models give the same clusters in other people's runtimes as here, on both real data sets.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Assigner, chooseKernels } from '../clustering/index.ts';
import { encodeOnnx, encodePmml } from '../exports/index.ts';
import { modelOf } from '../gateway/testing/gateway-fixture.ts';
import { fitHere } from '../jobs/index.ts';
import type { Model } from '../schemas/index.ts';
import { exampleTable } from './support/example-table.ts';
import { onnxJudge, pmmlJudge } from './support/export-judges.ts';

const judges = { onnx: await onnxJudge(), pmml: await pmmlJudge() };
const { kernels } = chooseKernels();
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'meanstream-exports-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe.each([
  { name: 'shuttle', k: 8 },
  { name: 'digits', k: 10 },
] as const)('a model of $name', ({ name, k }) => {
  const { values, n, dims, features } = exampleTable(name);
  const model = fitted(values, n, dims, k, features);
  const assigner = new Assigner(model, kernels);
  assigner.assign(values, n);
  const ours = Array.from({ length: n }, (_, row) => model.clusterIds[assigner.labels[row]!]!);
  let rows: string;

  beforeAll(async () => {
    rows = join(dir, `${name}.f32`);
    await writeFile(rows, new Uint8Array(values.buffer));
  });

  it.skipIf(judges.onnx.missing)(
    titled('gives the same clusters and distances as ONNX in onnxruntime', judges.onnx.missing),
    async () => {
      const file = join(dir, `${name}.onnx`);
      await writeFile(file, encodeOnnx(model));
      const answers = await judges.onnx.ask(file, rows);
      expect(answers.map((line) => line.split(' ')[0])).toEqual(ours);
      for (const [row, line] of answers.entries()) {
        const [own, theirs] = [assigner.distances[row]!, Number(line.split(' ')[1])];
        if (Math.abs(own - theirs) > 1e-5 * Math.max(1, own)) {
          expect.fail(`distance of row ${row}: ${theirs}, ours ${own}`);
        }
      }
    },
    120_000,
  );

  it.skipIf(judges.pmml.missing)(
    titled('gives the same clusters as PMML in JPMML', judges.pmml.missing),
    async () => {
      const file = join(dir, `${name}.pmml`);
      await writeFile(file, encodePmml(model));
      expect(await judges.pmml.ask(file, rows)).toEqual(ours);
    },
    120_000,
  );
});

function titled(title: string, missing: string | undefined): string {
  return missing === undefined ? title : `${title} (skipped: ${missing})`;
}

function fitted(
  values: Float32Array,
  n: number,
  dims: number,
  k: number,
  features: string[],
): Model {
  const weights = new Float32Array(n).fill(1);
  const space = { metric: 'euclidean', missing: 'reject', scaling: true } as const;
  // Scaled in place, so a copy.
  const points = { values: values.slice(), weights, pieceRows: [n] };
  const fit = fitHere({ ...space, ...points, dims, k, seed: 1 }, () => {});
  const centroids = Array.from({ length: k }, (_, j) => [
    ...fit.centroids.subarray(j * dims, (j + 1) * dims),
  ]);
  const { mean, scale, distanceHistogram } = fit;
  return {
    ...modelOf(centroids, '1.2.3'),
    features,
    mean,
    scale,
    distanceHistogram,
    weights: fit.weights,
  };
}
