// What we depend on, and that it is what we think it is. A new dependency is a line here, with its reason in the commit.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

interface LockedPackage {
  readonly name?: string;
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
}

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };
const locked = Object.entries(lock.packages).filter(([path]) => path !== '');

const allowedDependencies = [
  '@aws-sdk/client-s3',
  '@kafkajs/confluent-schema-registry',
  '@mongodb-js/zstd',
  '@node-rs/crc32',
  'avsc',
  'classic-level',
  'cli-table3',
  'commander',
  'croner',
  'fflate',
  'hyparquet',
  'kafkajs',
  'lz4-napi',
  'pino',
  'prom-client',
  'protobufjs',
  'rocksdb-native',
  'snappy',
  'uWebSockets.js',
  'yaml',
];
const allowedDevDependencies = [
  '@biomejs/biome',
  '@types/node',
  '@types/ws',
  'fast-check',
  'node-api-headers',
  'playwright-core',
  'typescript',
  'vitest',
  'ws',
];

/** They would build or print something at install; .npmrc keeps them from it, and they bring prebuilt files. */
const allowedInstallScripts = ['classic-level', 'protobufjs'];

it('depends directly on nothing but the packages of this list', () => {
  expect(Object.keys(manifest.dependencies).sort()).toEqual([...allowedDependencies].sort());
  expect(Object.keys(manifest.devDependencies).sort()).toEqual([...allowedDevDependencies].sort());
});

it('pins every direct dependency to one version, and the lockfile holds that version', () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  for (const [name, wanted] of Object.entries(all)) {
    const version = wanted.replace(/^npm:[^@]+@/, '');
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    expect(lock.packages[`node_modules/${name}`]?.version, name).toBe(version);
  }
});

it('has a checksum for every package, and names no host to fetch it from', () => {
  const unsealed = locked.filter(([, { integrity }]) => !integrity?.startsWith('sha512-'));
  expect(unsealed.map(([path]) => path)).toEqual([]);
  const hosted = locked.filter(([, { resolved, link }]) => resolved !== undefined || link);
  expect(hosted.map(([path]) => path)).toEqual([]);
});

it('runs no install scripts, and knows the packages that have some', () => {
  expect(read('.npmrc')).toMatch(/^ignore-scripts=true$/m);
  const scripted = locked
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
  expect(scripted.sort()).toEqual(allowedInstallScripts);
});

it('takes uWebSockets.js through its alias only, with the known checksum', () => {
  expect(manifest.dependencies['uWebSockets.js']).toBe('npm:uwebsockets@3.0.6');
  const holders = locked.filter(([path, { name }]) => /uwebsockets/i.test(name ?? path));
  expect(holders).toHaveLength(1);
  expect(holders[0]![1]).toMatchObject({
    name: 'uwebsockets',
    integrity:
      'sha512-0Nw22DDOd1YGnJ8/IHYVCDHZXAVqLnjBxktl2bSjcJRVcgasb2Zs8WCRhL41IydraLLq001c6ycHdIS+rEcAxw==',
  });
});

it('loads the uWebSockets binary that was reviewed (Node 20, Linux, x64)', () => {
  const path = join(root, 'node_modules/uWebSockets.js/uws_linux_x64_115.node');
  expect(existsSync(path), 'npm ci puts it there').toBe(true);
  expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(
    'f4fa5d7b697529b45ac8aa3d57385d9af51bc1d2b26aa9f5b68ca4361542e665',
  );
});
