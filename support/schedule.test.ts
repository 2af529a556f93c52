import { expect, it } from 'vitest';
import { nextDueMs, scheduleFault } from './schedule.ts';

const at = (text: string) => Date.parse(`2026-02-28T${text}Z`);

it('is due at the first time after the one given, in UTC', () => {
  expect(nextDueMs('*/5 * * * *', at('10:05:00'))).toBe(at('10:10:00'));
  expect(nextDueMs('*/5 * * * *', at('10:05:00') - 1)).toBe(at('10:05:00'));
  expect(nextDueMs('*/3 * * * * *', at('10:05:00.500'))).toBe(at('10:05:03'));
  expect(nextDueMs('30 2 1 * *', at('10:05:00'))).toBe(Date.parse('2026-03-01T02:30:00Z'));
  expect(nextDueMs('@daily', at('10:05:00'))).toBe(Date.parse('2026-03-01T00:00:00Z'));
});

it.each([
  ['*/5 * * *', /five parts/],
  ['nightly', /five parts/],
  ['2026-01-01T00:00:00', /five parts/],
  ['61 * * * *', /minute/],
  ['0 0 30 2 *', /never due/],
])('says what is wrong with %s', (schedule, says) => {
  expect(scheduleFault(schedule)).toMatch(says);
});

it('has nothing against what is right', () => {
  for (const schedule of ['0 3 * * *', '0 3 * * mon-fri', '*/10 * * * * *', '@hourly']) {
    expect(scheduleFault(schedule), schedule).toBeUndefined();
  }
});
