// The pipeline, small: what tests of the owner's decisions run it with, the points they send, and the judge of what it has recorded.

import type { Broker } from '../../broker/index.ts';
import type { Random } from '../../support/index.ts';
import { judge } from '../../test/oracle/clustering-oracle.ts';
import { recordedLogs } from '../../test/oracle/decode-logs.ts';
import type { ClusteringOptions } from '../index.ts';

export const k = 3;
const seed = 7;
const halfLife = { unit: 'points', value: 500 } as const;

export const smallOptions: ClusteringOptions = {
  model: { k, seed, halfLife },
  bootstrap: { rows: 60, waitMs: 5_000 },
  points: { format: 'json', bytesMax: 10_000 },
  codeVersion: 'test',
};

/** Of a driver: two partitions of points, in batches of 50. */
export const smallDriver = {
  partitions: { points: 2, assignments: 2, 'dead-letters': 2 },
  batchRowsMax: 50,
};

/** One of each cluster in turn. */
export function smallPoints(random: Random, count: number) {
  const centres = [0, 10, 20];
  return Array.from({ length: count }, (_, i) => {
    const vector = [centres[i % k]! + random.normal(), centres[i % k]! - random.normal()];
    return { key: `p${i}`, value: JSON.stringify({ vector, timestamp: 1_699_999_000_000 }) };
  });
}

/** What the oracle finds wrong in all that a run has recorded. */
export async function findingsIn(broker: Broker): Promise<readonly string[]> {
  const logs = await recordedLogs(broker);
  return judge(logs, { format: 'json', k, scaling: true, seed, halfLife }).findings;
}
