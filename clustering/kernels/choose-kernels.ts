// Which kernel set this process uses, and why: one line for the log.

import type { Kernels } from './kernels.ts';
import { referenceKernels } from './reference.ts';

export interface KernelChoice {
  readonly kernels: Kernels;
  readonly reason: string;
}

export function chooseKernels(): KernelChoice {
  return { kernels: referenceKernels, reason: 'plain TypeScript kernels: the only set built' };
}
