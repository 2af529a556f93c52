// Memory for large answers, used again: megabytes that come and go many times a second are what V8 collects garbage for.
// What is never given back is the garbage collector's.

/** Smaller answers have no such memory. */
export const largeBytesMin = 65_536;
/** Kept for the next answers: what a few fetches of several partitions take. */
const keptBytesMax = 64 * 1_048_576;
/** A small answer in much memory would leave a large one without. */
const roomTimesMax = 2;

export class AnswerMemory {
  readonly #free: Buffer[] = [];
  #freeBytes = 0;

  /** At least so many bytes, whatever they hold. */
  take(bytes: number): Buffer {
    const room = roomFor(bytes);
    let best = -1;
    for (const [at, { length }] of this.#free.entries()) {
      if (length < room || length > room * roomTimesMax) continue;
      if (best < 0 || length < this.#free[best]!.length) best = at;
    }
    if (best < 0) return Buffer.allocUnsafeSlow(room);
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

/** Powers of two, so that answers of about one size fit into each other's memory. */
function roomFor(bytes: number): number {
  let room = 2 * largeBytesMin;
  while (room < bytes) room *= 2;
  return room;
}
