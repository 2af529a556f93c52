// LevelDB does not check the blocks of its tables when it reads them, and classic-level cannot ask it to: a damaged
// block that holds no sense ends the process (an assertion in native code), at every start anew. So every block's
// checksum is compared before LevelDB opens the folder, of a state store or of the embedded log.
//
// Source: LevelDB's doc/table_format.md. A table is data blocks, a filter, a metaindex, an index and a footer; each
// block is followed by its type (0 plain, 1 snappy) and the masked CRC32C of both.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { uncompressSync } from 'snappy';

const footerBytes = 48;
const magic = Buffer.from('57fb808b247547db', 'hex');

/** The file names of the tables in `dir` that have a damaged block. Reads all of them, one at a time. */
export async function damagedTables(dir: string): Promise<string[]> {
  const damaged: string[] = [];
  for (const name of (await readdir(dir)).sort()) {
    if (!/\.(ldb|sst)$/.test(name)) continue;
    const table = await readUnlessGone(join(dir, name));
    if (table !== undefined && !isSoundTable(table)) damaged.push(name);
  }
  return damaged;
}

/** Somebody else may have the folder open, and remove a table at any time; opening is then refused by LevelDB's lock. */
async function readUnlessGone(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether every block of a table's bytes is what was written. */
export function isSoundTable(table: Buffer): boolean {
  // A table without its end is one that a killed process did not finish: LevelDB removes it, or refuses to open it.
  if (!table.subarray(-magic.length).equals(magic)) return true;
  try {
    checkTable(table);
    return true;
  } catch {
    return false;
  }
}

/** @throws when a block is not what was written. */
function checkTable(table: Buffer): void {
  const footer = new Cursor(table.subarray(-footerBytes));
  const metaindex = footer.handle();
  const index = footer.handle();
  for (const filter of handlesIn(blockAt(table, metaindex))) blockAt(table, filter);
  for (const data of handlesIn(blockAt(table, index))) blockAt(table, data);
}

/** Where a block lies in its table: offset and size without the trailer, in bytes. */
interface BlockHandle {
  offset: number;
  size: number;
}

function blockAt(table: Buffer, { offset, size }: BlockHandle): Buffer {
  const end = offset + size;
  const written = table.readUInt32LE(end + 1);
  if (masked(crc32c(table.subarray(offset, end + 1))) !== written) {
    throw new Error(`the block at ${offset} does not match its checksum`);
  }
  const block = table.subarray(offset, end);
  return table[end] === 0 ? block : (uncompressSync(block) as Buffer);
}

/** LevelDB stores checksums rotated and moved, so that the checksum of bytes with a checksum in them stays a good one. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** The values of an index block: entries with keys that share a prefix, then their restart points. */
function handlesIn(block: Buffer): BlockHandle[] {
  const restarts = block.readUInt32LE(block.length - 4);
  const entries = new Cursor(block.subarray(0, block.length - 4 * (restarts + 1)));
  const handles: BlockHandle[] = [];
  while (!entries.atEnd()) {
    entries.varint(); // length of the shared prefix
    const keyBytes = entries.varint();
    const valueBytes = entries.varint();
    entries.skip(keyBytes);
    const value = new Cursor(entries.take(valueBytes));
    handles.push(value.handle());
  }
  return handles;
}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  handle(): BlockHandle {
    return { offset: this.varint(), size: this.varint() };
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  take(length: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  skip(length: number): void {
    this.#at += length;
  }
}
