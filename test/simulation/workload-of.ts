// Which application a seed is about: the small one, which is quick and shows every mistake of the runtime, or the product.

import { CountingWorkload } from './counting-workload.ts';
import type { Workload } from './workload.ts';

export function workloadOf(_seed: number): Workload {
  return new CountingWorkload();
}
