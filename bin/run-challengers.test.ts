import { expect, it } from 'vitest';
import type { ChallengerReport } from '../schemas/index.ts';
import { challengersText } from './run-challengers.ts';

const result: ChallengerReport['contenders'][number] = {
  ...{ name: 'in use', k: 8, isBaseline: true },
  halfLife: { unit: 'points', value: 8_000 },
  ...{ meanSquaredDistance: 1.23456, change: 0, silhouette: 0.5, calinskiHarabasz: 1_234.5 },
  ...{ idStability: 0.987, relocations: 2, confidence: 0.5 },
};
const report: ChallengerReport = {
  ...{ modelVersion: '1.0.7', startedAtMs: 0, timestampMs: 1, points: 123_450, sampled: 12_345 },
  blocks: 48,
  contenders: [
    result,
    {
      ...{ ...result, name: 'k=9', k: 9, isBaseline: false, change: -0.0321, confidence: 0.97 },
      halfLife: { unit: 'ms', value: 90_000 },
      calinskiHarabasz: null,
    },
  ],
  recommended: 'k=9',
  reasons: ['k=9: the silhouette is larger.'],
};

it('shows every contender in a row, the recommended one marked, and says what was looked at', () => {
  const lines = challengersText(report).split('\n');
  expect(lines[0]).toBe('Recommended: k=9');
  expect(lines[1]).toBe('k=9: the silhouette is larger.');
  expect(lines.find((line) => line.includes('in use'))).toMatch(
    /8,000 points.*1\.235.*0\.500.*1,235.*98\.7 %.*baseline/,
  );
  expect(lines.find((line) => line.includes('► │ k=9'))).toMatch(/90 s.*-3\.2 %.*–.*0\.97/);
  expect(lines.at(-1)).toMatch(/^12,345 points looked at, which stand for 123,450/);
});

it('says when it is too early', () => {
  expect(challengersText({ ...report, recommended: null })).toMatch(/^No recommendation yet/);
});
