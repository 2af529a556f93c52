import { expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { ChallengerTrial, type TrialBlock, type TrialSetting } from './challenger-trial.ts';
import { chooseKernels } from './kernels/choose-kernels.ts';
import { referenceKernels } from './kernels/reference.ts';
import { PairedDifference } from './paired-difference.ts';

const { kernels } = chooseKernels();
const rows = 256;
const dims = 2;

const points = (value: number) => ({ unit: 'points', value }) as const;
const setting = (contenders: TrialSetting['contenders']): TrialSetting => ({
  ...{ contenders, scaling: true, metric: 'euclidean', missing: 'reject', seed: 4 },
});

/** Groups on a circle of radius 10, which turns by so much from one block to the next. */
function stream({ groups, turn, seed = 1 }: { groups: number; turn: number; seed?: number }) {
  const random = new Random(seed);
  let at = 0;
  return (n = rows): TrialBlock => {
    const values = Float32Array.from({ length: n * dims }, (_, i) => {
      const angle = ((Math.floor(i / dims) % groups) / groups) * 2 * Math.PI + at;
      return 10 * (i % dims === 0 ? Math.cos(angle) : Math.sin(angle)) + random.normal();
    });
    at += turn;
    return { values, weights: new Float32Array(n).fill(10), n, dims, timestampMs: 1 };
  };
}

function runTrial(given: TrialSetting, next: (n?: number) => TrialBlock, blocks: number) {
  const trial = ChallengerTrial.begin(given, next(1_000), kernels);
  for (let block = 0; block < blocks; block += 1) trial.take(next());
  return trial;
}

const halfLives = [
  { name: 'in use', k: 4, halfLife: points(400_000) },
  { name: 'shorter', k: 4, halfLife: points(20_000) },
];

it('prefers to forget sooner on a stream that moves, and says how sure that is', () => {
  const result = runTrial(setting(halfLives), stream({ groups: 4, turn: 0.01 }), 120).result();
  const [baseline, shorter] = result.contenders;
  expect(result).toMatchObject({ recommended: 'shorter', blocks: 120, points: 120 * rows * 10 });
  expect(shorter!.change).toBeLessThan(-0.05);
  expect(shorter!.confidence).toBeGreaterThan(0.99);
  expect(result.reasons[0]).toMatch(/shorter: points are [\d.]+ % nearer .* confidence 0\.99|1\.0/);
  expect(baseline).toMatchObject({ isBaseline: true, change: 0 });
});

it('stays with what is in use on a stream that stands still', () => {
  const result = runTrial(setting(halfLives), stream({ groups: 4, turn: 0 }), 120).result();
  expect(result.recommended).toBe('in use');
  expect(result.contenders[1]!.confidence).toBeLessThan(0.5);
  expect(result.contenders[1]!.idStability).toBeGreaterThan(0.98);
});

it('finds the K of the groups there are, though a larger one is nearer to every point', () => {
  const ks = [3, 5, 7].map((k) => ({ name: `k=${k}`, k, halfLife: points(50_000) }));
  const result = runTrial(setting(ks), stream({ groups: 5, turn: 0 }), 60).result();
  const [three, five, seven] = result.contenders;
  expect(result.recommended).toBe('k=5');
  expect(seven!.meanSquaredDistance).toBeLessThan(five!.meanSquaredDistance);
  expect(five!.silhouette).toBeGreaterThan(three!.silhouette);
  expect(five!.silhouette).toBeGreaterThan(seven!.silhouette);
});

it('recommends nothing before it has seen enough', () => {
  const result = runTrial(setting(halfLives), stream({ groups: 4, turn: 0.01 }), 29).result();
  expect(result.recommended).toBeNull();
  expect(result.reasons[0]).toMatch(/29 of 30/);
});

it('goes on to the same bits from its records, whatever the kernels', () => {
  const next = stream({ groups: 4, turn: 0.01 });
  const blocks = Array.from({ length: 12 }, () => next());
  const start = stream({ groups: 4, turn: 0, seed: 2 })(1_000);
  const whole = ChallengerTrial.begin(setting(halfLives), start, kernels);
  for (const block of blocks) whole.take(block);
  let parts = ChallengerTrial.begin(setting(halfLives), start, referenceKernels);
  for (const block of blocks) {
    parts.take(block);
    parts = ChallengerTrial.restore(parts.records(), referenceKernels);
  }
  expect(parts.result()).toEqual(whole.result());
  expect(parts.records()).toEqual(whole.records());
});

it('scores a point before it learns it', () => {
  const next = stream({ groups: 4, turn: 0 });
  const trial = ChallengerTrial.begin(setting(halfLives), next(1_000), kernels);
  const far = next();
  far.values.fill(1_000);
  trial.take(far);
  const { meanSquaredDistance } = trial.result().contenders[0]!;
  expect(meanSquaredDistance).toBeGreaterThan(1_000);
});

it('is as sure of a difference as its blocks are many and unlike each other', () => {
  const random = new Random(1);
  const [sure, unsure, alike] = [0, 0, 0].map(() => new PairedDifference());
  let slow = 0;
  for (let block = 0; block < 200; block += 1) {
    slow = 0.97 * slow + 0.03 * random.normal();
    sure!.add(-0.5 + random.normal());
    unsure!.add(-0.01 + random.normal());
    alike!.add(-0.03 + 4 * slow);
  }
  expect(sure!.confidenceBelow(0)).toBeGreaterThan(0.999);
  expect(unsure!.confidenceBelow(0)).toBeLessThan(0.9);
  expect(alike!.confidenceBelow(0)).toBeLessThan(0.95);
  expect(sure!.confidenceBelow(-1)).toBeLessThan(0.01);
  expect(new PairedDifference().confidenceBelow(0)).toBe(0.5);
});
