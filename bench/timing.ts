// Measuring on a machine that others use too: ours and theirs take turns, so that both meet the same neighbours, and
// the median of at least three rounds counts.

import { performance } from 'node:perf_hooks';

export interface Sample {
  readonly seconds: number;
  /** Of this process, all threads: user and system. */
  readonly cpuSeconds: number;
}

export interface PairedSamples {
  readonly ours: Sample;
  readonly theirs: Sample;
}

export async function measured(work: () => Promise<void> | void): Promise<Sample> {
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

/** Ours, theirs, ours, theirs, …; what the medians are. A first round warms both up and does not count. */
export async function paired(
  rounds: number,
  ours: () => Promise<Sample>,
  theirs: () => Promise<Sample>,
): Promise<PairedSamples> {
  const [first, second] = await inTurns(rounds, [ours, theirs]);
  return { ours: first!, theirs: second! };
}

/** As `paired`, of any number. */
export async function inTurns(
  rounds: number,
  those: readonly (() => Promise<Sample>)[],
): Promise<Sample[]> {
  const samples: Sample[][] = those.map(() => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [at, one] of those.entries()) {
      const sample = await one();
      if (round > 0) samples[at]!.push(sample);
    }
  }
  return samples.map(medianSample);
}

/** Each column's own median. */
export function medianSample(samples: readonly Sample[]): Sample {
  return {
    seconds: median(samples.map(({ seconds }) => seconds)),
    cpuSeconds: median(samples.map(({ cpuSeconds }) => cpuSeconds)),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** To three digits: more would pretend. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
