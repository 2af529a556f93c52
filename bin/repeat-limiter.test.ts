import { expect, test } from 'vitest';
import { ManualClock } from '../support/index.ts';
import { RepeatLimiter } from './repeat-limiter.ts';

test('a line that repeats is written five times in ten seconds, then counted', () => {
  const clock = new ManualClock();
  const limiter = new RepeatLimiter(clock);
  const answers = Array.from({ length: 8 }, () => limiter.admit('lost'));
  expect(answers).toEqual([0, 0, 0, 0, 0, undefined, undefined, undefined]);
  expect(limiter.admit('another')).toBe(0);
  clock.advance(10_000);
  expect(limiter.admit('lost')).toBe(3);
  expect(limiter.admit('lost')).toBe(0);
});
