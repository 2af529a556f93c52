// Memory for the batches of one writer, used again for every transaction: buffers of a megabyte that come and go many
// times a second are what V8 collects garbage for.

/** A transaction of the usual size takes no more. */
const buffersMin = 4;
/** An eighth more than was asked for: the next batch is rarely larger than by that. */
const slackBits = 3;

export class BatchMemory {
  readonly #buffers: Buffer[] = [];
  #next = 0;

  /** The n-th buffer since `reuse`, with room for at least so many bytes. */
  take(bytes: number): Buffer {
    const at = this.#next;
    this.#next += 1;
    const kept = this.#buffers[at];
    if (kept !== undefined && kept.length >= bytes) return kept;
    const buffer = Buffer.allocUnsafeSlow(bytes + (bytes >>> slackBits));
    this.#buffers[at] = buffer;
    return buffer;
  }

  /** Everything taken may be written over: Kafka has answered all of it. A backlog's buffers beyond the usual are let go. */
  reuse(): void {
    this.#buffers.length = Math.min(this.#buffers.length, Math.max(this.#next, buffersMin));
    this.#next = 0;
  }
}
