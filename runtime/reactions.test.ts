import { expect, test } from 'vitest';
import {
  AssertionError,
  CommitOutcomeUnknownError,
  DependencyDownError,
  FatalError,
  OffsetOutOfRangeError,
  ProcessorFailedError,
  RecordTooLargeError,
  RetriableError,
  TaskCorruptedError,
  TaskMigratedError,
} from '../support/index.ts';
import { type Reaction, reactionTo } from './reactions.ts';

const first = { rows: 4096, processorFailures: 1 };
const again = { rows: 1, processorFailures: 2 };

test.each<[Error, Reaction, Reaction]>([
  [new TaskMigratedError(''), 'drop', 'drop'],
  [new TaskCorruptedError(''), 'wipe', 'wipe'],
  [new OffsetOutOfRangeError(''), 'reopen', 'reopen'],
  [new RecordTooLargeError(''), 'smaller', 'fail'],
  [new ProcessorFailedError(''), 'reopen', 'fail'],
  [new FatalError(''), 'fail', 'fail'],
  [new AssertionError(''), 'fail', 'fail'],
  [new RetriableError(''), 'retry', 'retry'],
  [new CommitOutcomeUnknownError(''), 'retry', 'retry'],
  [new DependencyDownError(''), 'retry', 'retry'],
  [new TypeError('of an adapter'), 'retry', 'retry'],
])('%o is answered by its class', (error, reaction, reactionAgain) => {
  expect(reactionTo(error, first)).toBe(reaction);
  expect(reactionTo(error, again)).toBe(reactionAgain);
});
