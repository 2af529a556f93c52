// The numbered mixtures of a range whose K is not found, one line each with what was found instead and why.

import { recommendK } from '../k-selection.ts';
import { referenceKernels as kernels } from '../kernels/reference.ts';
import { numberedMixture } from './gaussian-mixtures.ts';

export function wronglyRecommended(from: number, to: number): string[] {
  const failures: string[] = [];
  for (let number = from; number < to; number++) {
    const mixture = numberedMixture(number);
    const options = { kMax: 22, seed: number, kernels, gapReferences: 5, gapPointsMax: 400 };
    const { k, reasons } = recommendK({ ...mixture, ...options });
    if (k === mixture.k) continue;
    const { dims, separation } = mixture;
    const what = `mixture ${number} (K = ${mixture.k}, ${dims} dimensions, ${separation}σ)`;
    failures.push(`${what}: ${k}. ${reasons.join(' ')}`);
  }
  return failures;
}
