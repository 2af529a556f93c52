// read_committed, for the batches of one partition in one fetch answer, given in offset order:
//   1. the aborted list, sorted by first offset, belongs to this answer only: begin with nobody
//   2. every producer whose first aborted offset is at or before a batch's last one is aborting
//   3. an abort marker takes its producer out again; control batches never give records
//   4. a transactional batch of an aborting producer is passed over whole

import type { AbortedTransaction } from './fetch-request.ts';
import type { BatchHeader } from './record-batch-decoder.ts';

export class AbortedTransactions {
  readonly #coming: AbortedTransaction[];
  readonly #aborting = new Set<number>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#coming = [...aborted].sort((a, b) => b.firstOffset - a.firstOffset);
  }

  /** True when the batch gives no records. `isAbortMarker` is only asked about control batches. */
  hides(batch: BatchHeader, isAbortMarker: () => boolean): boolean {
    while ((this.#coming.at(-1)?.firstOffset ?? Number.POSITIVE_INFINITY) <= batch.lastOffset) {
      this.#aborting.add(this.#coming.pop()!.producerId);
    }
    if (batch.control) {
      if (isAbortMarker()) this.#aborting.delete(batch.producerId);
      return true;
    }
    return batch.transactional && this.#aborting.has(batch.producerId);
  }
}
