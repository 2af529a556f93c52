// The second engine: classic-level, which is LevelDB (not RocksDB). LevelDB does not check what it reads, ends the
// process over a table that holds no sense, and skips damaged stretches of its log without a word. So:
//
//   - every block of every table is checked before LevelDB opens them (support/level-tables.ts);
//   - every value is stored behind the CRC32C (4 bytes, little-endian) of its key and value, checked by every read;
//   - a record beside the checkpoint holds number and digest of all entries, kept up in every batch and compared with
//     a full scan when the store is opened: an entry or a whole batch that vanished is found there.
//
// Opening therefore reads the whole store (a task's state is megabytes) and a write first reads what it replaces.

import { mkdir, rm } from 'node:fs/promises';
import { crc32c } from '@node-rs/crc32';
import { ClassicLevel } from 'classic-level';
import { assert, damagedTables, TaskCorruptedError } from '../support/index.ts';
import { engineFault } from './engine-faults.ts';
import {
  checkpointKey,
  dataKey,
  dataRange,
  decodeCheckpoint,
  type EngineOptions,
  encodeCheckpoint,
  reservedKey,
  userKey,
} from './engine-keyspace.ts';
import { keyText } from './memory.ts';
import type {
  RangeOptions,
  StateStore,
  StoreCheckpoint,
  StoreEntry,
  StoreWrite,
} from './state-store.ts';

type Db = ClassicLevel<Uint8Array, Uint8Array>;

const crcBytes = 4;
const digestKey = reservedKey('digest');

/** Number of data entries, and the sum modulo 2^32 and the exclusive-or of their checksums. */
interface Digest {
  entries: number;
  sum: number;
  xor: number;
}

export class LevelStore implements StateStore {
  readonly engine = 'level';
  readonly name: string;
  readonly #dir: string;
  #db: Db | undefined;
  #opening: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #digest: Digest = { entries: 0, sum: 0, xor: 0 };

  constructor({ name, dir }: EngineOptions) {
    this.name = name;
    this.#dir = dir;
  }

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#get(this.#opened(), dataKey(key));
  }

  async *range(options?: RangeOptions): AsyncIterable<StoreEntry> {
    const entries = this.#opened().iterator(dataRange(options));
    try {
      for await (const [key, sealed] of entries) {
        yield { key: userKey(key), value: this.#unseal(key, sealed) };
      }
    } catch (error) {
      throw engineFault(this.name, 'read a range', error);
    }
  }

  /** One write at a time: each needs the digest of the last. */
  write(writes: readonly StoreWrite[], checkpoint?: StoreCheckpoint): Promise<void> {
    const done = this.#writing.then(() => this.#write(writes, checkpoint));
    this.#writing = done.catch(() => {});
    return done;
  }

  async checkpoint(): Promise<StoreCheckpoint | undefined> {
    const bytes = await this.#get(this.#opened(), checkpointKey);
    return bytes === undefined ? undefined : decodeCheckpoint(bytes);
  }

  async wipe(): Promise<void> {
    await this.close();
    await rm(this.#dir, { recursive: true, force: true });
    await this.open();
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    const db = this.#db;
    this.#db = undefined;
    this.#opening = undefined;
    await this.#writing;
    await db?.close();
  }

  async #open(): Promise<void> {
    let db: Db | undefined;
    try {
      await mkdir(this.#dir, { recursive: true });
      await this.#requireSoundTables();
      db = new ClassicLevel(this.#dir, { keyEncoding: 'view', valueEncoding: 'view' });
      await db.open();
      this.#digest = await this.#verify(db);
      this.#db = db;
    } catch (error) {
      this.#opening = undefined;
      await db?.close();
      throw engineFault(this.name, `open its files in ${this.#dir}`, error);
    }
  }

  async #requireSoundTables(): Promise<void> {
    const damaged = await damagedTables(this.#dir);
    if (damaged.length === 0) return;
    throw new TaskCorruptedError(
      `Store ${this.name} has tables with a block that does not match its checksum (${damaged.join(', ')}); ` +
        'it will be wiped and rebuilt from its changelog.',
      { store: this.name },
    );
  }

  async #verify(db: Db): Promise<Digest> {
    const found: Digest = { entries: 0, sum: 0, xor: 0 };
    for await (const [key, sealed] of db.iterator(dataRange())) {
      this.#unseal(key, sealed);
      add(found, sealed);
    }
    const written = await this.#get(db, digestKey);
    const expected = written === undefined ? '0 0 0' : new TextDecoder().decode(written);
    if (digestText(found) === expected) return found;
    throw new TaskCorruptedError(
      `Store ${this.name} holds entries (number, sum, xor) ${digestText(found)} where ${expected} were written; ` +
        'it will be wiped and rebuilt from its changelog.',
      { store: this.name },
    );
  }

  async #write(
    writes: readonly StoreWrite[],
    checkpoint: StoreCheckpoint | undefined,
  ): Promise<void> {
    const db = this.#opened();
    const last = new Map(writes.map((write) => [keyText(write.key), write]));
    const digest = { ...this.#digest };
    const batch = db.batch();
    try {
      for (const { key: plainKey, value } of last.values()) {
        const key = dataKey(plainKey);
        const old = db.getSync(key);
        if (old !== undefined) subtract(digest, old);
        if (value === null) batch.del(key);
        else add(digest, this.#put(batch, key, value));
      }
      if (checkpoint !== undefined) this.#put(batch, checkpointKey, encodeCheckpoint(checkpoint));
      this.#put(batch, digestKey, new TextEncoder().encode(digestText(digest)));
      await batch.write();
      this.#digest = digest;
    } catch (error) {
      await batch.close();
      throw engineFault(this.name, 'write', error);
    }
  }

  #put(batch: ReturnType<Db['batch']>, key: Uint8Array, value: Uint8Array): Uint8Array {
    const sealed = seal(key, value);
    batch.put(key, sealed);
    return sealed;
  }

  async #get(db: Db, key: Uint8Array): Promise<Uint8Array | undefined> {
    let sealed: Uint8Array | undefined;
    try {
      sealed = await db.get(key);
    } catch (error) {
      throw engineFault(this.name, 'read', error);
    }
    return sealed === undefined ? undefined : this.#unseal(key, sealed);
  }

  #unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array {
    const value = sealed.subarray(crcBytes);
    if (sealed.length >= crcBytes && storedCrc(sealed) === crc32c(value, crc32c(key))) return value;
    throw new TaskCorruptedError(
      `Store ${this.name} holds a value of ${sealed.length} bytes whose checksum does not match; ` +
        'it will be wiped and rebuilt from its changelog.',
      { store: this.name },
    );
  }

  #opened(): Db {
    assert(this.#db !== undefined, `Store ${this.name} is not open.`);
    return this.#db;
  }
}

function seal(key: Uint8Array, value: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(crcBytes + value.length);
  new DataView(sealed.buffer).setUint32(0, crc32c(value, crc32c(key)), true);
  sealed.set(value, crcBytes);
  return sealed;
}

function storedCrc(sealed: Uint8Array): number {
  return new DataView(sealed.buffer, sealed.byteOffset, crcBytes).getUint32(0, true);
}

function add(digest: Digest, sealed: Uint8Array): void {
  const crc = storedCrc(sealed);
  digest.entries += 1;
  digest.sum = (digest.sum + crc) >>> 0;
  digest.xor = (digest.xor ^ crc) >>> 0;
}

function subtract(digest: Digest, sealed: Uint8Array): void {
  if (sealed.length < crcBytes) return; // damaged: the next opening finds it
  const crc = storedCrc(sealed);
  digest.entries -= 1;
  digest.sum = (digest.sum - crc) >>> 0;
  digest.xor = (digest.xor ^ crc) >>> 0;
}

function digestText({ entries, sum, xor }: Digest): string {
  return `${entries} ${sum} ${xor}`;
}
