import { expect, test } from 'vitest';
import { AbortedTransactions } from './aborted-transactions.ts';
import type { BatchHeader } from './record-batch-decoder.ts';

interface Step {
  readonly offset: number;
  readonly producer: number;
  readonly kind: 'data' | 'plain' | 'abort' | 'commit';
}

const step = (kind: Step['kind'], offset: number, producer = -1): Step => ({
  kind,
  offset,
  producer,
});

function visible(aborted: [producerId: number, firstOffset: number][], steps: Step[]): number[] {
  const filter = new AbortedTransactions(
    aborted.map(([producerId, firstOffset]) => ({ producerId, firstOffset })),
  );
  return steps
    .filter(({ kind, offset, producer }) => {
      const header = {
        lastOffset: offset,
        producerId: producer,
        control: kind === 'abort' || kind === 'commit',
        transactional: kind !== 'plain',
      } as BatchHeader;
      return !filter.hides(header, () => kind === 'abort');
    })
    .map(({ offset }) => offset);
}

test('two aborts that end in another order than they began stay hidden (K1)', () => {
  const steps = [
    step('data', 0, 1),
    step('data', 1, 2),
    step('plain', 2),
    step('data', 3, 1),
    step('abort', 4, 2),
    step('data', 5, 1),
    step('abort', 6, 1),
    step('data', 7, 1),
    step('commit', 8, 1),
  ];
  const ended: [number, number][] = [
    [2, 1],
    [1, 0],
  ];
  expect(visible(ended, steps)).toEqual([2, 7]);
});

test('two aborts of one producer inside one answer stay hidden, and what it commits between is seen', () => {
  const steps = [
    step('data', 0, 1),
    step('abort', 1, 1),
    step('data', 2, 1),
    step('commit', 3, 1),
    step('data', 4, 1),
    step('abort', 5, 1),
  ];
  expect(
    visible(
      [
        [1, 0],
        [1, 4],
      ],
      steps,
    ),
  ).toEqual([2]);
});

test('a transaction that began before this answer and is aborted in it, or after it, is hidden', () => {
  expect(
    visible([[1, 3]], [step('data', 10, 1), step('abort', 11, 1), step('data', 12, 1)]),
  ).toEqual([12]);
  expect(visible([[1, 3]], [step('data', 10, 1), step('plain', 11), step('data', 12, 1)])).toEqual([
    11,
  ]);
});
