// R8: a disk that is full, one that may only be read, and a process that may open few files. The state folder of a processor
// is a memory disk of 64 MB, where this may be mounted (as root, outside most containers); elsewhere the row says that it was
// not run. The processor must stay up and not be ready, write nothing wrong, and go on by itself once there is space.
// (Reads and writes that fail, as with EIO, are the simulated disk's: test/simulation/simulated-disk.ts.)
//
// With 64 descriptors a processor works. When it may open none any more, and its connections are reset, it is not ready, and
// it works once it may.
//
// RocksDB reserves space for its files when it makes them, so a disk that fills up is felt when the next file is made: the
// processor is killed on the full disk and has to open its stores there.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, sleep } from '../support/meanstream-process.ts';
import { type Counts, count, type FieldRow, roundsOf } from './chaos-row.ts';
import { type Field, patienceMs } from './field.ts';

const name = 'small-disk';
const sizeMb = 64;
const narrow = 'few-files';
const filesEnough = 64;
/** Its first few are taken for good by Node. */
const filesTooFew = 24;
const filesUsual = 4_096;
const answerMsMax = 2_000;

export const diskFaults: FieldRow = {
  id: 'R8',
  fault: 'disk full, disk read-only, few files',
  async run(field, scale) {
    const counts: Counts = {};
    field.startFeeding();
    for (const other of [...field.processors.keys()]) await field.stop(other);
    for (const _ of roundsOf(scale, 1, 5)) await openFewFiles(field, counts);
    const dir = field.deployment.stateDirOf(name);
    mkdirSync(dir, { recursive: true });
    if (!mount('-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', dir)) {
      return { ...counts, 'not run: a memory disk may not be mounted here': 1 };
    }
    try {
      field.start(name);
      await field.untilAllRun([name]);
      for (const _ of roundsOf(scale, 1, 5)) {
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

async function openFewFiles(field: Field, counts: Counts): Promise<void> {
  field.start(narrow);
  // Loading its modules takes more at once.
  await field.at(narrow).url();
  if (!limitFiles(field, filesEnough)) {
    await field.stop(narrow);
    return count(counts, 'not run: no prlimit here');
  }
  await field.untilAllRun([narrow]);
  await field.untilProgress();
  // What it has it keeps; whatever it opens now fails, connections and files of stores alike.
  limitFiles(field, filesTooFew);
  field.proxied!.proxy.resetAll();
  const { process } = field.at(narrow);
  const isOff = async () => !process.running || (await answersReady(field)) !== true;
  await eventually('not ready with few files', isOff, patienceMs);
  if (process.running) limitFiles(field, filesUsual);
  else await field.kill(narrow);
  if (!field.processors.has(narrow)) field.start(narrow);
  await field.untilAllRun([narrow]);
  await field.untilProgress();
  await field.stop(narrow);
  count(counts, 'few files');
}

/** Undefined when it does not answer: taking a connection takes a descriptor too. */
function answersReady(field: Field): Promise<boolean | undefined> {
  const answer = field
    .at(narrow)
    .readiness()
    .then((status) => status === 200);
  return Promise.race([answer.catch(() => undefined), sleep(answerMsMax).then(() => undefined)]);
}

function limitFiles(field: Field, files: number): boolean {
  const { pid } = field.at(narrow).process;
  const args = [`--pid=${pid}`, `--nofile=${files}:${filesUsual}`];
  return spawnSync('prlimit', args, { stdio: 'ignore' }).status === 0;
}

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
