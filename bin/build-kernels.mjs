// Compiles the kernels: `node bin/build-kernels.mjs wasm` makes the WebAssembly that the repository keeps, `… native` the
// addon, and the one of the column codecs, where there is a C compiler.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildAddon, commonFlags, run } from './build-addon.mjs';

const sources = fileURLToPath(new URL('../clustering/kernels/', import.meta.url));
const distribution = fileURLToPath(new URL('../dist/clustering/kernels/', import.meta.url));
const codecSources = fileURLToPath(new URL('../schemas/codec/', import.meta.url));
const codecDistribution = fileURLToPath(new URL('../dist/schemas/codec/', import.meta.url));

const avx512Flags = ['-mavx2', '-mfma', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl'];

/** One compilation of kernels.c each; addon.c chooses among them at run time. */
const variantsOf = {
  x64: {
    avx512vnni: [...avx512Flags, '-mavx512vnni'],
    avx512: avx512Flags,
    avx2: ['-mavx2', '-mfma'],
    baseline: [],
  },
  arm64: { baseline: [] },
};

/** The major version of clang whose WebAssembly the repository keeps. */
export const wasmClangMajor = 14;
const wasmFlags = [
  ...commonFlags,
  '--target=wasm32',
  '-msimd128',
  '-mbulk-memory',
  '-ffreestanding',
  '-nostdlib',
  '-Wl,--no-entry',
  '-Wl,--strip-all',
];
const wasmExports = [
  '__heap_base',
  'panel_floats',
  'scratch_floats',
  'pack',
  'nearest',
  'nearest_two',
  'accumulate',
  'assign_accumulate',
  'pairwise',
  'dots',
  'scale_points',
];

/** @returns what happened, in a sentence */
export function buildNativeKernels({ compiler = 'cc', built = distribution } = {}) {
  const addon = {
    ...{ name: 'kernels', sources, main: 'addon.c' },
    files: ['kernels.c', 'bounds.h', 'stream.h', 'addon.c', 'variants.h'],
    objects: { file: 'kernels.c', flags: variantsOf[process.arch] ?? {} },
  };
  return buildAddon(addon, { compiler, built });
}

/** @returns what happened, in a sentence */
export function buildNativeCodec({ compiler = 'cc', built = codecDistribution } = {}) {
  const files = ['codec.c', 'number-text.h'];
  const addon = { name: 'codec', sources: codecSources, main: 'codec.c', files };
  return buildAddon(addon, { compiler, built });
}

/** @returns why it failed, if it did */
export function buildWasmKernels(target = join(sources, 'kernels.wasm'), compiler = 'clang') {
  const exported = wasmExports.map((name) => `-Wl,--export=${name}`);
  return run(compiler, [...wasmFlags, ...exported, join(sources, 'kernels.c'), '-o', target]);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv[2] === 'native') {
    process.stderr.write(`${buildNativeKernels()}; ${buildNativeCodec()}\n`);
  } else if (process.argv[2] === 'wasm') {
    const failure = buildWasmKernels();
    if (failure !== undefined) {
      process.stderr.write(`${failure}\n`);
      process.exit(1);
    }
  }
}
