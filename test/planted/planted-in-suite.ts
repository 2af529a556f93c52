// Mistakes that somebody could make where the simulation does not come: in what is on the wire, in arithmetic, in what
// clients of the gateway are told. Each turns the test named red.

import type { Edit } from '../simulation/planted-tree.ts';

export interface PlantedInSuite {
  readonly name: string;
  readonly file: string;
  readonly edit: Edit;
  readonly testFile: string;
  /** The test with its groups, or the start of that. */
  readonly test: string;
}

const defects = 'broker/kafka/kafkajs-defects.test.ts';
const chunk = 'broker/kafka/aborted-transactions.ts';
const decoder = 'broker/kafka/record-batch-decoder.ts';

export const plantedInSuite: readonly PlantedInSuite[] = [
  {
    name: 'the list of aborted transactions is not sorted',
    file: chunk,
    edit: {
      find: '[...aborted].sort((a, b) => b.firstOffset - a.firstOffset)',
      replace: '[...aborted].reverse()',
    },
    testFile: defects,
    test: 'the same bytes K1',
  },
  {
    name: 'an abort marker is told by the bytes of its key',
    file: chunk,
    edit: {
      find: '    if (batch.control) {',
      replace:
        '    if (batch.transactional && isAbortMarker()) this.#aborting.delete(batch.producerId);\n    if (batch.control) {',
    },
    testFile: defects,
    test: 'the same bytes K2',
  },
  {
    name: 'the next offset comes from the records, not from lastOffsetDelta',
    file: decoder,
    edit: {
      find: 'lastOffset: baseOffset + bytes.readInt32BE(start + layout.lastOffsetDelta)',
      replace: 'lastOffset: baseOffset + bytes.readInt32BE(start + layout.recordCount) - 1',
    },
    testFile: defects,
    test: 'the same bytes K3',
  },
  {
    name: 'the checksum of a batch is not looked at',
    file: decoder,
    edit: {
      find: 'return crcOf(bytes, start + layout.attributes, end) === expected;',
      replace: 'return expected >= 0 && end > start;',
    },
    testFile: defects,
    test: 'the same bytes K20: a damaged record is handed out',
  },
  {
    name: 'the order of a sum depends on where a batch ends',
    file: 'clustering/mini-batch.ts',
    edit: {
      find: '      this.#addRows(values, weights, labels, distances, offsets, n);\n      if (partial',
      replace: [
        '      const [half, { dims: d }] = [n >> 1, this.#basis];',
        '      this.#addRows(values.subarray(half * d), weights.subarray(half), labels.subarray(half), distances.subarray(half), offsets.subarray(half), n - half);',
        '      this.#addRows(values, weights, labels, distances, offsets, half);',
        '      if (partial',
      ].join('\n'),
    },
    testFile: 'clustering/mini-batch.test.ts',
    test: 'the delta accumulator gives the same bits wherever batches end',
  },
  {
    name: 'decay goes by the clock on the wall',
    file: 'clustering/online-model.ts',
    edit: {
      find: 'this.#newestMs = Math.max(this.#newestMs, timestampMs);',
      replace: 'this.#newestMs = Math.max(this.#newestMs, Date.now());',
    },
    testFile: 'clustering/half-life.test.ts',
    test: 'a point one half-life old counts half in event time, in whichever order the points come',
  },
  {
    name: 'a client that missed something is not told',
    file: 'gateway/websocket/live-client.ts',
    edit: { find: 'if (this.#dropped === 0) return;', replace: 'if (this.#dropped >= 0) return;' },
    testFile: 'gateway/websocket/live-client.test.ts',
    test: 'above it frames are left out, and the gap is announced before the next one',
  },
];
