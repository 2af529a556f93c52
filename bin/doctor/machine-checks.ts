// What must be right on this machine, with or without Kafka.

import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { SettingValues } from '../../config/index.ts';
import { silentLogger } from '../../support/index.ts';
import type { Check, Finding } from './check.ts';

/** Less than this and a log segment, or RocksDB's own files, may not fit. */
const freeBytesMin = 1024 ** 3;

export function machineChecks(settings: SettingValues): Check[] {
  const engine = settings['state.store.engine'];
  const folder = resolve(settings['state.dir']);
  return [
    { name: 'Node.js', look: async () => nodeVersion(process.versions.node) },
    { name: 'kernels', look: kernelsCheck },
    { name: `state stores (${engine})`, look: () => stateStores(engine, folder) },
    { name: 'disk space', look: () => diskSpace(folder) },
  ];
}

/** Supported: 20.19 and later of 20, and 22.12 and later (package.json, engines). */
export function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const ok = (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
  return ok
    ? { ok, found: `v${version}` }
    : { ok, found: `v${version}`, remedy: 'Install Node.js 20.19 or later, or 22.12 or later.' };
}

async function kernelsCheck(): Promise<Finding> {
  const { chooseKernels } = await import('../../clustering/index.ts');
  const { kernels, reason } = chooseKernels();
  const [label, nearest, second] = [new Int32Array(1), new Float32Array(1), new Float32Array(1)];
  const centroids = Float32Array.of(0, 0, 3, 4);
  const panels = kernels.prepare(centroids, 2, 2);
  kernels.nearestTwo(Float32Array.of(3, 3), 1, panels, label, nearest, second);
  const ok = label[0] === 1 && nearest[0] === 1 && second[0] === 18;
  return ok
    ? { ok, found: reason }
    : { ok, found: `${kernels.name} kernels answer wrongly`, remedy: 'Run `npm ci` again here.' };
}

/** Opens the configured engine in a folder beside the real stores, writes, reads back, removes it. */
async function stateStores(engine: SettingValues['state.store.engine'], folder: string) {
  let dir: string;
  try {
    await mkdir(folder, { recursive: true });
    dir = await mkdtemp(join(folder, 'doctor-'));
  } catch (error) {
    const remedy = `Make ${folder} writable for this user, or set state.dir to a folder that is.`;
    return { ok: false, found: messageOf(error), remedy };
  }
  try {
    return await tryEngine(engine, dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function tryEngine(
  engine: SettingValues['state.store.engine'],
  dir: string,
): Promise<Finding> {
  try {
    const { openEngine } = await import('../../state-stores/index.ts');
    const store = await openEngine(engine, { name: 'doctor', dir, logger: silentLogger });
    const key = Uint8Array.of(1);
    await store.write([{ key, value: Uint8Array.of(2) }]);
    const ok = (await store.get(key))?.[0] === 2;
    await store.close();
    return ok
      ? { ok, found: `writes and reads in ${dir.slice(0, dir.lastIndexOf('/'))}` }
      : { ok, found: 'a written value was not read back', remedy: 'Check the disk.' };
  } catch (error) {
    return { ok: false, found: messageOf(error), remedy: engineRemedy(messageOf(error)) };
  }
}

/** RocksDB's native addon needs GCC's libatomic, which slim images leave out. */
export function engineRemedy(message: string): string {
  if (/libatomic/.test(message)) {
    return 'Install libatomic (Debian: apt-get install libatomic1), or set state.store.engine to level.';
  }
  return 'Run `npm ci` again on this machine, or set state.store.engine to level.';
}

async function diskSpace(folder: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(await existing(folder));
  const free = bavail * bsize;
  const found = `${(free / 1024 ** 3).toFixed(1)} GiB free under ${folder}`;
  return free >= freeBytesMin
    ? { ok: true, found }
    : { ok: false, found, remedy: 'Free at least 1 GiB, or set state.dir to a larger disk.' };
}

async function existing(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true }).catch(() => undefined);
  return folder;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
