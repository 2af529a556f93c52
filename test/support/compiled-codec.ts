// The native codec, compiled in other ways than the build does.

import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const source = join(import.meta.dirname, '..', '..', 'schemas', 'codec', 'codec.c');

/** @returns what the compiler has against it; undefined when there is none. */
export function compileCodec(target: string, flags: readonly string[]): string | undefined {
  const headers = createRequire(import.meta.url)('node-api-headers').include_dir;
  const usual = ['-std=gnu11', '-O1', '-ffp-contract=off', '-fPIC', '-Wno-psabi'];
  const args = [...usual, '-DNAPI_VERSION=8', ...flags, '-shared', `-I${headers}`, source];
  const { error, stderr } = spawnSync('cc', [...args, '-o', target], { encoding: 'utf8' });
  return error === undefined ? stderr : undefined;
}
