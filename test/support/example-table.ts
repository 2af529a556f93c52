// The real data sets of examples/data as a matrix; the label, their last column, is left out.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export interface ExampleTable {
  /** n × dims. */
  readonly values: Float32Array;
  readonly n: number;
  readonly dims: number;
  /** Empty where the file has no header. */
  readonly features: string[];
}

export function exampleTable(name: 'shuttle' | 'digits'): ExampleTable {
  const file = new URL(`../../examples/data/${name}.csv.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString().trim().split('\n');
  const features = name === 'shuttle' ? lines.shift()!.split(',').slice(0, -1) : [];
  const rows = lines.map((line) => line.split(',').slice(0, -1).map(Number));
  return {
    values: Float32Array.from(rows.flat()),
    n: rows.length,
    dims: rows[0]!.length,
    features,
  };
}
