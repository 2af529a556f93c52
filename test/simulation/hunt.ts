// A worker thread of a planted tree: runs histories until one shows that something is wrong.

import { parentPort, workerData } from 'node:worker_threads';
import { simulate } from './simulation.ts';
import { workloadOf } from './workload-of.ts';

export interface Hunt {
  readonly seeds: readonly number[];
}

export interface Quarry {
  readonly seed: number;
  readonly finding: string;
}

async function hunt({ seeds }: Hunt): Promise<Quarry | undefined> {
  for (const seed of seeds) {
    const { findings } = await simulate(seed, workloadOf(seed));
    if (findings.length > 0) return { seed, finding: findings[0]! };
  }
  return undefined;
}

parentPort?.postMessage(await hunt(workerData as Hunt));
