// Memory of bodies, used again. Under load a body waits long enough for its turn to outlive the young generation, and its
// memory, which is not V8's, would be free only with the next full collection: tens of megabytes later.

const smallestBits = 12;

export class BodyMemory {
  readonly #bytesMax: number;
  /** By the binary logarithm of their length. */
  readonly #free: Uint8Array[][] = [];
  #freeBytes = 0;

  /** Keeps so many bytes at most that nobody uses. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** At least so many bytes, holding anything. */
  take(bytes: number): Uint8Array {
    const bits = Math.max(smallestBits, 32 - Math.clz32(Math.max(0, bytes - 1)));
    const free = this.#free[bits]?.pop();
    if (free === undefined) return new Uint8Array(2 ** bits);
    this.#freeBytes -= free.length;
    return free;
  }

  /** Nobody reads it any more. */
  give(taken: Uint8Array): void {
    if (this.#freeBytes + taken.length > this.#bytesMax) return;
    this.#freeBytes += taken.length;
    const bits = 31 - Math.clz32(taken.length);
    this.#free[bits] ??= [];
    this.#free[bits].push(taken);
  }
}
