// The part of rocksdb-native that rocksdb.ts uses; the package brings no types.

declare module 'rocksdb-native' {
  interface RangeBounds {
    gte?: Uint8Array;
    lt?: Uint8Array;
  }

  interface WriteBatch {
    tryPut(key: Uint8Array, value: Uint8Array): void;
    tryDelete(key: Uint8Array): void;
    flush(): Promise<void>;
    destroy(): void;
  }

  class RocksDB {
    constructor(path: string, options?: { writeBufferSize?: number; maxBackgroundJobs?: number });
    ready(): Promise<void>;
    close(): Promise<void>;
    get(key: Uint8Array): Promise<Buffer | null>;
    write(options?: { capacity?: number }): WriteBatch;
    iterator(
      range: RangeBounds,
      options?: { capacity?: number },
    ): AsyncIterable<{ key: Buffer; value: Buffer }>;
  }

  export = RocksDB;
}
