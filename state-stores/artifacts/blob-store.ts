// The contract of what holds artifacts: a local folder or a bucket. Two kinds of thing lie in it.
//
//   blobs   bytes under a key, written whole: a reader sees all of a blob or none of it
//   refs    a small value under a name that changes by compare-and-swap: of two writers who saw the same tag, one wins
//
// Keys and names are lower-case words, digits, dots, dashes and underscores, in segments joined by "/". No segment begins with
// a dot. Who keeps what is artifact-store.ts's business; testing/blob-store-contract.ts is what every implementation must do.

export interface BlobInfo {
  readonly key: string;
  readonly size: number;
  readonly modifiedAtMs: number;
}

export interface Ref {
  readonly value: Uint8Array;
  /** Names this value of the ref; opaque. */
  readonly tag: string;
}

export interface BlobStore {
  /** For people: a path or an address. */
  readonly location: string;
  /** Replaces what was there. Durable when it resolves. */
  put(key: string, bytes: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  /** Nothing happens when there is no such blob. */
  delete(key: string): Promise<void>;
  /** Every blob whose key begins so, in no order. */
  list(prefix: string): AsyncIterable<BlobInfo>;
  readRef(name: string): Promise<Ref | undefined>;
  /**
   * Sets a ref that still has the expected tag, or that does not exist when undefined is expected.
   * @returns the new tag; undefined, with nothing changed, when somebody else was first
   */
  swapRef(
    name: string,
    value: Uint8Array,
    expectedTag: string | undefined,
  ): Promise<string | undefined>;
  /** For when nobody else writes it. Nothing happens when there is no such ref. */
  deleteRef(name: string): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

const keyPattern = /^[a-z0-9_-][a-z0-9._-]*(\/[a-z0-9_-][a-z0-9._-]*)*$/;

export function isBlobKey(key: string): boolean {
  return keyPattern.test(key);
}
