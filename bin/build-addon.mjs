// Compiles C sources to a Node addon, where there is a C compiler. Nothing is downloaded: Node's headers are a package of ours.
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

export const commonFlags = ['-std=gnu11', '-O3', '-ffp-contract=off'];
const addonFlags = [
  ...commonFlags,
  '-fno-math-errno',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wno-psabi',
  '-DNAPI_VERSION=8',
];

/**
 * `addon` is { name, sources: folder, files: all that it is made of, main: the file with the module, objects?: compilations
 * of one more file: { file, flags by name } }. It becomes `built`/`name`.node, unless that is up to date.
 * @returns what happened, in a sentence
 */
export function buildAddon(addon, { compiler = 'cc', built }) {
  const { name, objects } = addon;
  const version = spawnSync(compiler, ['--version'], { encoding: 'utf8' });
  const target = join(built, `${name}.node`);
  const isPossible = process.platform !== 'win32' && ['x64', 'arm64'].includes(process.arch);
  if (version.status !== 0 || !isPossible) {
    rmSync(target, { force: true });
    return `no native ${name}: there is no C compiler (${compiler}) for ${process.arch}`;
  }
  const headers = createRequire(import.meta.url)('node-api-headers').include_dir;
  const keyFile = join(built, `${name}.key`);
  const key = keyOf(addon, [version.stdout, headers, process.arch]);
  if (existsSync(target) && contentOf(keyFile) === key) return `native ${name}: up to date`;
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  try {
    const failure = compileInto(folder, compiler, addon, headers);
    if (failure !== undefined) {
      rmSync(target, { force: true });
      return `no native ${name}: ${failure}`;
    }
    mkdirSync(built, { recursive: true });
    // A running process may have the old one mapped: never write into it, put another in its place.
    rmSync(keyFile, { force: true });
    const fresh = join(built, `${name}-${process.pid}.node`);
    writeFileSync(fresh, readFileSync(join(folder, `${name}.node`)));
    renameSync(fresh, target);
    writeFileSync(keyFile, key);
    return `native ${name}: ${objects ? Object.keys(objects.flags).join(', ') : 'built'}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compileInto(folder, compiler, { name, sources, main, objects }, headers) {
  const compiled = [];
  for (const [variant, flags] of Object.entries(objects?.flags ?? {})) {
    compiled.push(join(folder, `${variant}.o`));
    const failure = run(compiler, [
      ...[...addonFlags, ...flags, `-DVARIANT=${variant}`],
      ...['-c', join(sources, objects.file), '-o', compiled.at(-1)],
    ]);
    if (failure !== undefined) return failure;
  }
  const loose = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  const addon = join(folder, `${name}.node`);
  return (
    run(compiler, [
      ...[...addonFlags, '-shared', ...loose, `-I${headers}`],
      ...[join(sources, main), ...compiled, '-o', addon],
    ]) ?? run(process.execPath, ['-e', `require(${JSON.stringify(addon)})`])
  );
}

/** @returns why it failed, if it did */
export function run(compiler, args) {
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: 'utf8' });
  if (status === 0) return undefined;
  const lines = (error?.message ?? stderr).trim().split('\n');
  return `${compiler} failed: ${lines.find((line) => /error/i.test(line)) ?? lines[0]}`;
}

function keyOf({ sources, files, objects }, more) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(sources, file)));
  hash.update(JSON.stringify([addonFlags, objects?.flags ?? {}, ...more]));
  return hash.digest('hex');
}

function contentOf(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
