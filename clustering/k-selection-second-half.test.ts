import { expect, it } from 'vitest';
import { wronglyRecommended } from './testing/wrongly-recommended.ts';

// Half of a hundred seeded mixtures (testing/gaussian-mixtures.ts), so that two processes can share them. Of the hundred, 97
// were right when this was written; the others were one short, all at 5σ, the least separation there is among them.

it('finds the true K of at least 9 in 10 mixtures, second half of 100', async ({ annotate }) => {
  const failures = wronglyRecommended(50, 100);
  for (const failure of failures) await annotate(failure);
  expect(failures.length, failures.join('\n')).toBeLessThanOrEqual(5);
}, 120_000);
