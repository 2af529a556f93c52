// Which kernel set this process uses, and why: one line for the log. Native code, else WebAssembly, else plain TypeScript.
// All give the same bits, so the choice is about speed alone.

import type { Kernels } from './kernels.ts';
import { loadNativeKernels } from './native.ts';
import { referenceKernels } from './reference.ts';
import { loadWasmKernels } from './wasm.ts';

export interface KernelChoice {
  readonly kernels: Kernels;
  readonly reason: string;
}

let chosen: KernelChoice | undefined;

/** Loads once per thread. */
export function chooseKernels(): KernelChoice {
  chosen ??= firstThatLoads();
  return chosen;
}

function firstThatLoads(): KernelChoice {
  const native = attempt(() => loadNativeKernels()[0]);
  if (typeof native !== 'string') {
    const variants = native.layout.slice('native '.length);
    return {
      kernels: native,
      reason: `native kernels: the fastest this processor has is ${variants}`,
    };
  }
  const wasm = attempt(loadWasmKernels);
  if (typeof wasm !== 'string') return { kernels: wasm, reason: `WebAssembly kernels: ${native}` };
  return { kernels: referenceKernels, reason: `plain TypeScript kernels: ${native}; ${wasm}` };
}

/** @returns the kernels, or why there are none */
function attempt(load: () => Kernels | undefined): Kernels | string {
  try {
    return load() ?? 'the addon has none for this processor';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
