// The disks of the instances: what survives their processes. Writes are atomic, but the newest may be forgotten by a crash;
// writes and reads fail while they are told to; files can be damaged, or be those of another task.

import type {
  RangeOptions,
  StateStore,
  StoreCheckpoint,
  StoreEntry,
  StoreWrite,
} from '../../state-stores/index.ts';
import { assert, type Random, RetriableError, TaskCorruptedError } from '../../support/index.ts';
import type { SimulatedProcess } from './simulated-process.ts';

interface Image {
  readonly values: ReadonlyMap<string, Uint8Array>;
  readonly checkpoint: StoreCheckpoint | undefined;
}

interface Files {
  image: Image;
  /** What a crash may go back to, oldest first. */
  durable: Image[];
  isDamaged: boolean;
  openBy: SimulatedProcess | undefined;
}

export interface DiskFaults {
  readonly write: number;
  readonly read: number;
}

const empty: Image = { values: new Map(), checkpoint: undefined };
const undurableMax = 4;

export class SimulatedDisk {
  faults: DiskFaults = { write: 0, read: 0 };
  onWrite: (dir: string, name: string, image: Image) => void = () => {};
  readonly #random: Random;
  readonly #files = new Map<string, Files>();

  constructor(random: Random) {
    this.#random = random;
  }

  async open(process: SimulatedProcess, name: string, dir: string): Promise<StateStore> {
    const files = this.#at(dir);
    assert(
      !files.openBy?.isAlive,
      `Store ${dir} is opened by ${process.name} while ${files.openBy?.name} has it open.`,
    );
    files.openBy = process;
    const store = new SimulatedStore(name, dir, files, process, this, this.#random);
    if (files.isDamaged) await store.wipe();
    return store;
  }

  /** The process of this disk has died: the newest writes may be gone. */
  crash(dirStart: string): void {
    for (const [dir, files] of this.#files) {
      if (!dir.startsWith(dirStart)) continue;
      const keep = this.#random.below(files.durable.length + 1);
      if (keep < files.durable.length) files.image = files.durable[keep]!;
      files.durable = [];
    }
  }

  dirs(dirStart: string): string[] {
    return [...this.#files.keys()].filter((dir) => dir.startsWith(dirStart)).sort();
  }

  damage(dir: string): void {
    this.#at(dir).isDamaged = true;
  }

  copy(from: string, to: string): void {
    this.#at(to).image = this.#at(from).image;
  }

  image(dir: string): Image {
    return this.#at(dir).image;
  }

  #at(dir: string): Files {
    const found = this.#files.get(dir);
    if (found !== undefined) return found;
    const files: Files = { image: empty, durable: [], isDamaged: false, openBy: undefined };
    this.#files.set(dir, files);
    return files;
  }
}

class SimulatedStore implements StateStore {
  readonly engine = 'memory';
  readonly name: string;
  readonly #dir: string;
  readonly #files: Files;
  readonly #process: SimulatedProcess;
  readonly #disk: SimulatedDisk;
  readonly #random: Random;
  #isOpen = true;

  constructor(
    name: string,
    dir: string,
    files: Files,
    process: SimulatedProcess,
    disk: SimulatedDisk,
    random: Random,
  ) {
    this.name = name;
    this.#dir = dir;
    this.#files = files;
    this.#process = process;
    this.#disk = disk;
    this.#random = random;
  }

  async open(): Promise<void> {
    this.#isOpen = true;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    await this.#read();
    return this.#files.image.values.get(textOf(key))?.slice();
  }

  async *range({ from, to }: RangeOptions = {}): AsyncIterable<StoreEntry> {
    await this.#read();
    const start = from === undefined ? '' : textOf(from);
    const end = to === undefined ? undefined : textOf(to);
    const entries = [...this.#files.image.values]
      .filter(([key]) => key >= start && (end === undefined || key < end))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [key, value] of entries) {
      yield { key: new Uint8Array(Buffer.from(key, 'latin1')), value: value.slice() };
    }
  }

  write(writes: readonly StoreWrite[], checkpoint?: StoreCheckpoint): Promise<void> {
    const values = new Map(this.#files.image.values);
    for (const { key, value } of writes) {
      if (value === null) values.delete(textOf(key));
      else values.set(textOf(key), value.slice());
    }
    const image = {
      values,
      checkpoint: structuredClone(checkpoint) ?? this.#files.image.checkpoint,
    };
    const fails = this.#random.float() < this.#disk.faults.write;
    const isWrittenAnyway = this.#random.float() < 0.5;
    return this.#later(() => {
      if (!fails || isWrittenAnyway) this.#put(image);
      if (fails) throw new RetriableError(`Store ${this.name}: No space left on device.`);
    });
  }

  async checkpoint(): Promise<StoreCheckpoint | undefined> {
    await this.#read();
    return this.#files.image.checkpoint;
  }

  wipe(): Promise<void> {
    return this.#later(() => {
      this.#files.isDamaged = false;
      this.#put(empty);
    });
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#files.openBy = undefined;
    this.#files.durable = [];
  }

  #put(image: Image): void {
    this.#files.durable = [...this.#files.durable, this.#files.image].slice(-undurableMax);
    this.#files.image = image;
    this.#disk.onWrite(this.#dir, this.name, image);
  }

  async #read(): Promise<void> {
    const fails = this.#random.float() < this.#disk.faults.read;
    const isDamaged = this.#random.float() < 0.5;
    await this.#later(() => {
      if (!fails) return;
      if (isDamaged) throw new TaskCorruptedError(`Store ${this.name}: a checksum does not match.`);
      throw new RetriableError(`Store ${this.name}: Input/output error.`);
    });
  }

  #later(act: () => void): Promise<void> {
    assert(this.#isOpen, `Store ${this.name} is not open.`);
    return new Promise((resolve, reject) => {
      this.#process.after(this.#random.float() * 2, () => {
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}
