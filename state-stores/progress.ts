// The progress record: a reserved key of every changelog whose value says how far the input is taken in. It travels in
// the same transaction as the changes, so a store rebuilt elsewhere knows what it holds.

/** How far the input is taken in by a state: next input offsets ("topic-partition" → offset) and stream time. */
export interface StoreProgress {
  readonly inputOffsets: Readonly<Record<string, number>>;
  readonly streamTimeMs: number;
}

export const progressKey: Uint8Array = new TextEncoder().encode('\0meanstream.progress');

export function isProgressKey(key: Uint8Array): boolean {
  return key.length === progressKey.length && key.every((byte, at) => byte === progressKey[at]);
}

export function encodeProgress({ inputOffsets, streamTimeMs }: StoreProgress): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ inputOffsets, streamTimeMs }));
}

export function decodeProgress(bytes: Uint8Array): StoreProgress {
  return JSON.parse(new TextDecoder().decode(bytes)) as StoreProgress;
}
