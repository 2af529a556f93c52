// The built kernels are what the sources say, and a machine without a compiler does without them.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { chooseKernels } from '../clustering/index.ts';
import {
  buildNativeCodec,
  buildNativeKernels,
  buildWasmKernels,
  wasmClangMajor,
} from './build-kernels.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kernels-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function clangMajor(): number {
  const { stdout } = spawnSync('clang', ['--version'], { encoding: 'utf8' });
  return Number(/version (\d+)/.exec(stdout ?? '')?.[1] ?? 0);
}

const canRebuild = clangMajor() === wasmClangMajor && works('wasm-ld');

function works(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

it.skipIf(!canRebuild)(
  `kernels.wasm is what kernels.c compiles to (skipped without clang and wasm-ld ${wasmClangMajor})`,
  () => {
    const rebuilt = join(folder, 'kernels.wasm');
    expect(buildWasmKernels(rebuilt)).toBeUndefined();
    const kept = readFileSync(
      join(import.meta.dirname, '..', 'clustering', 'kernels', 'kernels.wasm'),
    );
    expect(readFileSync(rebuilt).equals(kept)).toBe(true);
  },
);

it.skipIf(!works('cc'))('the addon is built where there is a compiler (skipped without)', () => {
  expect(buildNativeKernels({ built: folder })).toMatch(/^native kernels: .*baseline/);
  expect(existsSync(join(folder, 'kernels.node'))).toBe(true);
  expect(buildNativeKernels({ built: folder })).toBe('native kernels: up to date');
});

it.skipIf(!works('cc'))('so is that of the column codecs (skipped without)', () => {
  expect(buildNativeCodec({ built: folder })).toBe('native codec: built');
  expect(existsSync(join(folder, 'codec.node'))).toBe(true);
  expect(buildNativeCodec({ built: folder })).toBe('native codec: up to date');
});

it('without a compiler the build says so and goes on, and leaves no old addon behind', () => {
  buildNativeKernels({ built: folder });
  expect(buildNativeKernels({ built: folder, compiler: 'no-such-compiler' })).toBe(
    `no native kernels: there is no C compiler (no-such-compiler) for ${process.arch}`,
  );
  expect(existsSync(join(folder, 'kernels.node'))).toBe(false);
});

it('a compiler that makes nothing that loads is a reason, not an error', () => {
  expect(buildNativeKernels({ built: folder, compiler: 'true' })).toMatch(/^no native kernels: /);
});

it('the choice is made once and gives its reason', () => {
  const { kernels, reason } = chooseKernels();
  expect(chooseKernels().kernels).toBe(kernels);
  const openings = { native: 'native', wasm: 'WebAssembly', reference: 'plain TypeScript' };
  expect(reason.startsWith(`${openings[kernels.name]} kernels: `)).toBe(true);
});
