// What stragglers and lost machines cost a large retrain, by simulation (retrain-simulation.ts): 1 billion points of 128 numbers and
// K = 1,000 on 128 workers, with times per range as docs/SCALING.md derives them. `ours` is the time with the disturbance, `theirs` the
// undisturbed one; the median of some seeds. Nothing is measured: the same seeds give the same numbers on every machine.

import type { Bench, BenchRow } from './bench.ts';
import {
  type SimulationOptions,
  type SimulationResult,
  simulateRetrain,
} from './retrain-simulation.ts';
import { median, rounded } from './timing.ts';

const undisturbed: SimulationOptions = {
  ...{ seed: 1, workers: 128, rangesPerWorker: 15, iterations: 40 },
  ...{ rangeMs: 775, packMs: 2_700 },
  ...{ slowShare: 0, slowFactor: 1, preemptionsPerHour: 0, replaceMs: 120_000 },
};

const disturbances: Readonly<Record<string, Partial<SimulationOptions>>> = {
  'one of 20 workers 3 × slower': { slowShare: 0.05, slowFactor: 3 },
  'one of 20 workers 10 × slower': { slowShare: 0.05, slowFactor: 10 },
  'each worker taken away once in 10 hours': { preemptionsPerHour: 0.1 },
  'each worker taken away once an hour': { preemptionsPerHour: 1 },
};

export const retrainSimulationBench: Bench = {
  name: 'retrain-simulation',
  question:
    'What do stragglers and lost spot machines cost a retrain of 1 billion × 128? (simulated, seeded)',
  async run({ smoke, say }) {
    const seeds = smoke ? [1] : [1, 2, 3];
    const base = smoke ? { ...undisturbed, workers: 4, iterations: 3 } : undisturbed;
    const quiet = simulateRetrain(base).totalMs;
    return Object.entries(disturbances).map(([name, more]): BenchRow => {
      const results = seeds.map((seed) => simulateRetrain({ ...base, ...more, seed }));
      const of = (pick: (result: SimulationResult) => number) => rounded(median(results.map(pick)));
      const ours = of(({ totalMs }) => totalMs / 1_000);
      say(`${name}: ${ours} s against ${quiet / 1_000} s`);
      return {
        ...{ case: name, n: 1_000_000_000, d: 128, k: 1_000, peer: 'undisturbed' },
        ...{
          ours,
          theirs: rounded(quiet / 1_000),
          unit: 's',
          ratio: rounded(quiet / 1_000 / ours),
        },
        ...{
          answeredTwice: of(({ wasted }) => wasted),
          packedAgain: of(({ repacked }) => repacked),
        },
        preempted: of(({ preempted }) => preempted),
      };
    });
  },
};
