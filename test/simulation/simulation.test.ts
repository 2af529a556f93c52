// A seed that fails is printed and can be run alone: MEANSTREAM_TEST_SEED=<seed> npx vitest run test/simulation/simulation.test.ts
// MEANSTREAM_TEST_SEEDS=<number> runs more of them.

import { expect, test } from 'vitest';
import { type SimulationResult, simulate } from './simulation.ts';
import { workloadOf } from './workload-of.ts';

const only = process.env.MEANSTREAM_TEST_SEED;
const seeds = Number(process.env.MEANSTREAM_TEST_SEEDS ?? 1_000);
const all = only === undefined ? Array.from({ length: seeds }, (_, i) => i + 1) : [Number(only)];

const everyFault = [
  ...['crash', 'damage', 'disk', 'mixed up', 'network', 'night', 'pause', 'rebalance'],
];

function report({ seed, findings, trace }: SimulationResult): string {
  const tail = only === undefined ? trace.slice(-40) : trace;
  return [
    `seed ${seed}: ${findings.join('; ')}`,
    `again: MEANSTREAM_TEST_SEED=${seed} npx vitest run test/simulation/simulation.test.ts`,
    ...tail,
  ].join('\n');
}

test(`nothing is lost, repeated or out of order in ${all.length} histories`, async () => {
  const faults: Record<string, number> = {};
  for (const seed of all) {
    const result = await simulate(seed, workloadOf(seed));
    if (result.findings.length > 0) expect.fail(report(result));
    for (const [fault, times] of Object.entries(result.faults)) {
      faults[fault] = (faults[fault] ?? 0) + times;
    }
  }
  if (only === undefined) expect(Object.keys(faults).sort()).toEqual(everyFault);
}, 300_000);

test('the same seed gives the same history', async () => {
  for (const seed of [1, 2, 3, 9, 19]) {
    const [first, second] = [
      await simulate(seed, workloadOf(seed)),
      await simulate(seed, workloadOf(seed)),
    ];
    expect(second.traceHash).toBe(first.traceHash);
    expect(first.trace.length).toBeGreaterThan(10);
  }
});
