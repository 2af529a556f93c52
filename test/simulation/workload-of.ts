// Which application a seed is about: the small one, which is quick and shows every mistake of the runtime, or the product.

import { ClusteringWorkload } from './clustering-workload.ts';
import { CountingWorkload } from './counting-workload.ts';
import type { Workload } from './workload.ts';

export function workloadOf(seed: number): Workload {
  return seed % 10 === 9 ? new ClusteringWorkload() : new CountingWorkload();
}
