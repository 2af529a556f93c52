// One keyspace for data and bookkeeping, so that one batch of an engine stays atomic over both.
//
//   00 <name>   reserved: the checkpoint, an engine's own records
//   01 <key>    data: the user's key as it is, so that unsigned byte order is kept (the empty key included)

import type { Logger } from '../support/index.ts';
import type { RangeOptions, StoreCheckpoint } from './state-store.ts';

/** What every engine is made of. `dir` is this store's own folder; the memory engine leaves it alone. */
export interface EngineOptions {
  readonly name: string;
  readonly dir: string;
  readonly logger: Logger;
}

const reservedPrefix = 0x00;
const dataPrefix = 0x01;

export const checkpointKey = reservedKey('checkpoint');
const dataStart = Uint8Array.of(dataPrefix);
const dataEnd = Uint8Array.of(dataPrefix + 1);

export function reservedKey(name: string): Uint8Array {
  const text = new TextEncoder().encode(name);
  return prefixed(reservedPrefix, text);
}

export function dataKey(key: Uint8Array): Uint8Array {
  return prefixed(dataPrefix, key);
}

/** The user's key again; shares the bytes. */
export function userKey(engineKey: Uint8Array): Uint8Array {
  return engineKey.subarray(1);
}

export function dataRange({ from, to }: RangeOptions = {}): { gte: Uint8Array; lt: Uint8Array } {
  return {
    gte: from === undefined ? dataStart : dataKey(from),
    lt: to === undefined ? dataEnd : dataKey(to),
  };
}

export function encodeCheckpoint(checkpoint: StoreCheckpoint): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(checkpoint));
}

export function decodeCheckpoint(bytes: Uint8Array): StoreCheckpoint {
  return JSON.parse(new TextDecoder().decode(bytes)) as StoreCheckpoint;
}

function prefixed(prefix: number, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + 1);
  bytes[0] = prefix;
  bytes.set(key, 1);
  return bytes;
}
