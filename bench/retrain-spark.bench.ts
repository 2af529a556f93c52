// A whole retrain from Parquet to centroids, against Spark MLlib's KMeans in local mode: the same file, the same number of threads, the same
// K. The rule: both make all their iterations of Lloyd's over all rows, as many as are asked; the tolerance is 0, so neither may stop
// sooner, and ours has no momentum there. Each has its own default seeding (both k-means||; what each then does on its few candidates or
// on a sample of the rows belongs to seeding, and to its time). Ours must not end with more inertia, or the bench fails.
//
// One process each, one after the other; the time is from opening the file to the model, without starting the process, and Spark's
// session has been warmed up by a fit of a hundredth of the rows. `ours` and `theirs` are seconds. `inertiaShare` is ours over theirs, of
// both models over all rows by one piece of code (float32 labels, float64 sums). Ours writes segments to disk first and reads them in
// every iteration, checksums and all; Spark has its rows in memory as far as they fit.

import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chooseKernels } from '../clustering/index.ts';
import { openParquet, type ParquetFile } from '../sources/index.ts';
import type { Bench, BenchRow } from './bench.ts';
import { packageRoot, withTemporaryFolder } from './paths.ts';
import { rounded } from './timing.ts';

const dims = 32;
const k = 64;
const nDefault = 10_000_000;
const groupRows = 250_000;
const iterations = 20;
const seed = 1;
const threads = 2;
const memoryGb = 8;

const python = join(packageRoot, 'bench', '.venv', 'bin', 'python');
const peer = (script: string) => join(packageRoot, 'bench', 'peers', script);
const ourProgram = join(import.meta.dirname, 'parquet-fit.js');
/** 1,000 points about 8 centres, in three row groups: a smoke run needs no Python, and starts no Spark. */
const smokePoints = peer('smoke.parquet');

interface Fit {
  readonly seconds: number;
  readonly iterations: number;
}
interface OurFit extends Fit {
  readonly packing: number;
  readonly lloyd: number;
}
interface SparkFit extends Fit {
  readonly name: string;
  readonly cost: number;
}

export const retrainSparkBench: Bench = {
  name: 'retrain-spark',
  question: 'How long does a retrain from Parquet take, against Spark MLlib on the same cores?',
  run: ({ smoke, n = nDefault, say }) =>
    withTemporaryFolder(async (folder) => {
      if (smoke) return [await measure({ path: smokePoints, k: 8, folder, withSpark: false, say })];
      if (spawnSync(python, ['-c', 'import pyspark, pyarrow']).status !== 0) {
        throw new Error('Spark and pyarrow are missing: run bench/peers/install.sh spark.');
      }
      const path = join(folder, 'points.parquet');
      say(`writing ${n} points as Parquet`);
      await answerOf(python, [peer('spark_points.py'), path, n, dims, k, seed, groupRows]);
      return [await measure({ path, k, folder, withSpark: true, say })];
    }),
};

interface Course {
  readonly path: string;
  readonly k: number;
  readonly folder: string;
  readonly withSpark: boolean;
  readonly say: (line: string) => void;
}

async function measure({ path, k, folder, withSpark, say }: Course): Promise<BenchRow> {
  const file = await openParquet(path);
  const n = file.groupRows.reduce((sum, rows) => sum + rows, 0);
  const [ourOut, sparkOut] = [join(folder, 'ours.f64'), join(folder, 'spark.f64')];
  const problem = [path, k, iterations, seed, threads];
  const program = [ourProgram, ...problem, join(folder, 'segments'), ourOut];
  const ours = JSON.parse(await answerOf(process.execPath, program)) as OurFit;
  say(`ours ${rounded(ours.seconds)} s, ${ours.iterations} iterations`);
  const row = {
    ...{ case: `${iterations} iterations, ${threads} threads`, n, d: file.features.length, k },
    ...{ ours: rounded(ours.seconds), unit: 's', iterations: ours.iterations },
    ...{ packing: rounded(ours.packing), lloyd: rounded(ours.lloyd) },
  };
  const inertia = await inertiaOf(file, centroidsIn(ourOut), k);
  if (!withSpark) return { ...row, peer: 'none', theirs: null, ratio: null, inertia };
  const script = [peer('spark_kmeans.py'), ...problem, memoryGb, sparkOut];
  const spark = JSON.parse(await answerOf(python, script)) as SparkFit;
  const theirInertia = await inertiaOf(file, centroidsIn(sparkOut), k);
  say(`${spark.name} ${rounded(spark.seconds)} s, ${spark.iterations} iterations`);
  say(`inertia ${inertia} and ${theirInertia}; Spark itself says ${spark.cost}`);
  if (inertia > theirInertia) throw new Error('Ours has more inertia than Spark.');
  return {
    ...{ ...row, peer: spark.name, theirs: rounded(spark.seconds) },
    ...{ ratio: rounded(spark.seconds / ours.seconds), theirIterations: spark.iterations },
    ...{ inertia, inertiaShare: Number((inertia / theirInertia).toFixed(6)) },
  };
}

/** The last line of what a program prints; what it complains of is shown when it fails. */
async function answerOf(program: string, args: readonly (string | number)[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args.map(String));
  return stdout.trim().split('\n').at(-1)!;
}

function centroidsIn(path: string): Float64Array {
  const bytes = readFileSync(path);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

const chunkRows = 4_096;

async function inertiaOf(file: ParquetFile, centroids: Float64Array, k: number): Promise<number> {
  const d = file.features.length;
  const { kernels } = chooseKernels();
  const panels = kernels.prepare(Float32Array.from(centroids), k, d);
  const labels = new Int32Array(chunkRows);
  let inertia = 0;
  let block: Float32Array | undefined;
  for (const [group, rows] of file.groupRows.entries()) {
    block = await file.read(group, block);
    for (let at = 0; at < rows; at += chunkRows) {
      const n = Math.min(chunkRows, rows - at);
      const values = block.subarray(at * d, (at + n) * d);
      kernels.nearest(values, n, panels, labels);
      inertia += squaresAround(centroids, values, labels, n, d);
    }
  }
  return inertia;
}

function squaresAround(
  centroids: Float64Array,
  values: Float32Array,
  labels: Int32Array,
  n: number,
  d: number,
): number {
  let sum = 0;
  for (let row = 0; row < n; row++) {
    const own = labels[row]! * d;
    for (let i = 0; i < d; i++) sum += (values[row * d + i]! - centroids[own + i]!) ** 2;
  }
  return sum;
}
