// R8: a disk that is full, and one that may only be read. The state folder of a processor is a memory disk of 64 MB, where
// this may be mounted (as root, outside most containers); elsewhere the row says that it was not run. The processor must
// stay up and not be ready, write nothing wrong, and go on by itself once there is space.
//
// RocksDB reserves space for its files when it makes them, so a disk that fills up is felt when the next file is made: the
// processor is killed on the full disk and has to open its stores there.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/meanstream-process.ts';
import { type Counts, count, type FieldRow } from './chaos-row.ts';
import { type Field, patienceMs } from './field.ts';

const name = 'small-disk';
const sizeMb = 64;

export const diskFaults: FieldRow = {
  id: 'R8',
  fault: 'disk full, disk read-only',
  async run(field, { nightly }) {
    const counts: Counts = {};
    const dir = field.deployment.stateDirOf(name);
    mkdirSync(dir, { recursive: true });
    if (!mount('-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', dir)) {
      return { 'not run: a memory disk may not be mounted here': 1 };
    }
    try {
      field.startFeeding();
      for (const other of [...field.processors.keys()]) await field.stop(other);
      field.start(name);
      await field.untilAllRun([name]);
      for (let round = 0; round < (nightly ? 5 : 1); round += 1) {
        await fillUp(field, dir);
        count(counts, 'full');
        await becomeReadOnly(field, dir);
        count(counts, 'read-only');
      }
      await field.stop(name);
      return counts;
    } finally {
      await leaveCopy(field, dir);
    }
  },
};

async function fillUp(field: Field, dir: string): Promise<void> {
  const ballast = join(dir, 'ballast');
  fillDisk(ballast);
  await field.untilProgress();
  await field.kill(name);
  fillDisk(`${ballast}-2`);
  field.start(name);
  await eventually('not ready on a full disk', () => isNotReady(field), patienceMs);
  for (const file of [ballast, `${ballast}-2`]) rmSync(file, { force: true });
  await goesOn(field);
}

async function becomeReadOnly(field: Field, dir: string): Promise<void> {
  await field.stop(name);
  if (!mount('-o', 'remount,ro', dir)) throw new Error('the disk could not be made read-only');
  field.start(name);
  await eventually('not ready on a read-only disk', () => isNotReady(field), patienceMs);
  if (!mount('-o', 'remount,rw', dir)) throw new Error('the disk could not be made writable');
  await goesOn(field);
}

/** Because of a store, not because it has not begun. */
async function isNotReady(field: Field): Promise<boolean> {
  if ((await field.at(name).readiness()) !== 503) return false;
  const tasks = await field.at(name).tasks();
  return tasks.some(({ reason }) => /No space left|Read-only file system/.test(reason ?? ''));
}

async function goesOn(field: Field): Promise<void> {
  await field.untilAllRun([name]);
  await eventually('ready', async () => (await field.at(name).readiness()) === 200, patienceMs);
  await field.untilProgress();
}

function fillDisk(file: string): void {
  const block = Buffer.alloc(65_536, 1);
  for (let size = block.length; size >= 512; size /= 2) {
    try {
      for (let times = 0; times < sizeMb * 32; times += 1) {
        writeFileSync(file, block.subarray(0, size), { flag: 'a' });
      }
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error;
    }
  }
}

/** The stores are judged later, when the memory disk is gone. */
async function leaveCopy(field: Field, dir: string): Promise<void> {
  if (field.processors.has(name)) await field.kill(name);
  const copy = `${dir}-copy`;
  cpSync(dir, copy, { recursive: true });
  spawnSync('umount', ['-l', dir], { stdio: 'ignore' });
  cpSync(copy, dir, { recursive: true });
  rmSync(copy, { recursive: true, force: true });
}

function mount(...args: string[]): boolean {
  return spawnSync('mount', args, { stdio: 'ignore' }).status === 0;
}
