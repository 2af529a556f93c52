// Memory that is used again, in powers of two. It is not V8's own: megabytes that come and go many times a second are what V8
// collects garbage for, and what outlives the young generation would be free only with the next full collection, tens of
// megabytes later. What is never given back is the garbage collector's.

export interface ReusedMemoryLimits {
  /** Of the smallest piece; a power of two. */
  readonly pieceBytesMin: number;
  /** Kept while nobody uses it. */
  readonly freeBytesMax: number;
}

export class ReusedMemory {
  readonly #limits: ReusedMemoryLimits;
  /** By the binary logarithm of their length. */
  readonly #free: ArrayBuffer[][] = [];
  #freeBytes = 0;

  constructor(limits: ReusedMemoryLimits) {
    this.#limits = limits;
  }

  /** At least so many bytes, holding anything. Of the next larger pieces at most: little in much would leave much without. */
  take(bytes: number): ArrayBuffer {
    const bits = 32 - Math.clz32(Math.max(this.#limits.pieceBytesMin, bytes) - 1);
    const free = this.#free[bits]?.pop() ?? this.#free[bits + 1]?.pop();
    if (free === undefined) return Buffer.allocUnsafeSlow(2 ** bits).buffer;
    this.#freeBytes -= free.byteLength;
    return free;
  }

  /** Nobody reads it any more: its bytes may be written over. */
  give(taken: ArrayBuffer): void {
    const { byteLength } = taken;
    if (byteLength === 0 || this.#freeBytes + byteLength > this.#limits.freeBytesMax) return;
    this.#freeBytes += byteLength;
    const bits = 31 - Math.clz32(byteLength);
    this.#free[bits] ??= [];
    this.#free[bits].push(taken);
  }
}
