// Memory for large answers, used again: megabytes that come and go many times a second are what V8 collects garbage for.
// What is never given back is the garbage collector's.

const mebibyte = 1_048_576;
/** Kept for the next answers: what a few fetches of several partitions take. */
const keptBytesMax = 64 * mebibyte;

export class AnswerMemory {
  readonly #free: Buffer[] = [];
  #freeBytes = 0;

  /** At least so many bytes, whatever they hold. */
  take(bytes: number): Buffer {
    let best = -1;
    for (const [at, { length }] of this.#free.entries()) {
      if (length >= bytes && (best < 0 || length < this.#free[best]!.length)) best = at;
    }
    if (best < 0) return Buffer.allocUnsafeSlow(roomFor(bytes));
    const [buffer] = this.#free.splice(best, 1);
    this.#freeBytes -= buffer!.length;
    return buffer!;
  }

  /** Its bytes may be written over from now on. */
  give(buffer: Buffer): void {
    if (this.#freeBytes + buffer.length > keptBytesMax) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
  }
}

/** Powers of two from 1 MiB on, so that answers of about one size fit into each other's memory. */
function roomFor(bytes: number): number {
  let room = mebibyte;
  while (room < bytes) room *= 2;
  return room;
}
