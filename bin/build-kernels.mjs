// Compiles the kernels: `node bin/build-kernels.mjs wasm` makes the WebAssembly that the repository keeps, `… native` the
// addon, where there is a C compiler. Nothing is downloaded: Node's headers are a package of ours.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const sources = fileURLToPath(new URL('../clustering/kernels/', import.meta.url));
const distribution = fileURLToPath(new URL('../dist/clustering/kernels/', import.meta.url));

const avx512Flags = ['-mavx2', '-mfma', '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl'];

/** One compilation of kernels.c each; addon.c chooses among them at run time. */
const variantsOf = {
  x64: {
    avx512bf16: [...avx512Flags, '-mavx512bf16'],
    avx512: avx512Flags,
    avx2: ['-mavx2', '-mfma'],
    baseline: [],
  },
  arm64: { baseline: [] },
};

const common = ['-std=gnu11', '-O3', '-ffp-contract=off'];
const nativeFlags = [
  ...common,
  '-fno-math-errno',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wno-psabi',
  '-DNAPI_VERSION=8',
];

/** The major version of clang whose WebAssembly the repository keeps. */
export const wasmClangMajor = 14;
const wasmFlags = [
  ...common,
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
  const variants = variantsOf[process.arch];
  const version = spawnSync(compiler, ['--version'], { encoding: 'utf8' });
  const target = join(built, 'kernels.node');
  if (version.status !== 0 || variants === undefined || process.platform === 'win32') {
    rmSync(target, { force: true });
    return `no native kernels: there is no C compiler (${compiler}) for ${process.arch}`;
  }
  const headers = createRequire(import.meta.url)('node-api-headers').include_dir;
  const key = keyOf([version.stdout, headers, process.arch]);
  if (existsSync(target) && stampOf(built) === key) return 'native kernels are up to date';
  const folder = mkdtempSync(join(tmpdir(), 'kernels-'));
  try {
    const failure = compileInto(folder, compiler, variants, headers);
    if (failure !== undefined) {
      rmSync(target, { force: true });
      return `no native kernels: ${failure}`;
    }
    mkdirSync(built, { recursive: true });
    // A running process may have the old one mapped: never write into it, put another in its place.
    rmSync(join(built, 'kernels.key'), { force: true });
    const fresh = join(built, `kernels-${process.pid}.node`);
    writeFileSync(fresh, readFileSync(join(folder, 'kernels.node')));
    renameSync(fresh, target);
    writeFileSync(join(built, 'kernels.key'), key);
    return `native kernels: ${Object.keys(variants).join(', ')}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compileInto(folder, compiler, variants, headers) {
  const kernels = join(sources, 'kernels.c');
  const objects = [];
  for (const [variant, flags] of Object.entries(variants)) {
    objects.push(join(folder, `${variant}.o`));
    const failure = run(compiler, [
      ...[...nativeFlags, ...flags, `-DVARIANT=${variant}`, '-c', kernels, '-o', objects.at(-1)],
    ]);
    if (failure !== undefined) return failure;
  }
  const loose = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  const addon = join(folder, 'kernels.node');
  return (
    run(compiler, [
      ...[
        ...nativeFlags,
        '-shared',
        ...loose,
        `-I${headers}`,
        join(sources, 'addon.c'),
        ...objects,
      ],
      ...['-o', addon],
    ]) ?? run(process.execPath, ['-e', `require(${JSON.stringify(addon)})`])
  );
}

/** @returns why it failed, if it did */
export function buildWasmKernels(target = join(sources, 'kernels.wasm'), compiler = 'clang') {
  const exported = wasmExports.map((name) => `-Wl,--export=${name}`);
  return run(compiler, [...wasmFlags, ...exported, join(sources, 'kernels.c'), '-o', target]);
}

function run(compiler, args) {
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: 'utf8' });
  if (status === 0) return undefined;
  const lines = (error?.message ?? stderr).trim().split('\n');
  return `${compiler} failed: ${lines.find((line) => /error/i.test(line)) ?? lines[0]}`;
}

function keyOf(more) {
  const hash = createHash('sha256');
  for (const name of ['kernels.c', 'bounds.h', 'addon.c', 'variants.h']) {
    hash.update(readFileSync(join(sources, name)));
  }
  hash.update(JSON.stringify([nativeFlags, variantsOf, ...more]));
  return hash.digest('hex');
}

function stampOf(built) {
  const path = join(built, 'kernels.key');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv[2] === 'native') {
    process.stderr.write(`${buildNativeKernels()}\n`);
  } else if (process.argv[2] === 'wasm') {
    const failure = buildWasmKernels();
    if (failure !== undefined) {
      process.stderr.write(`${failure}\n`);
      process.exit(1);
    }
  }
}
