import { expect, test } from 'vitest';
import { BodyMemory } from './body-memory.ts';

test.each([
  [0, 4_096],
  [4_096, 4_096],
  [4_097, 8_192],
  [1_048_576, 1_048_576],
])('%i bytes are taken as %i', (bytes, taken) => {
  expect(new BodyMemory(0).take(bytes)).toHaveLength(taken);
});

test('what was given back is taken again, once, by who needs as much', () => {
  const memory = new BodyMemory(100_000);
  const given = memory.take(10_000);
  memory.give(given);
  expect(memory.take(5_000)).not.toBe(given);
  expect(memory.take(9_000)).toBe(given);
  expect(memory.take(9_000)).not.toBe(given);
});

test('no more than its bound is kept', () => {
  const memory = new BodyMemory(10_000);
  const [first, second] = [memory.take(8_192), memory.take(8_192)];
  memory.give(first);
  memory.give(second);
  expect(memory.take(8_192)).toBe(first);
  expect(memory.take(8_192)).not.toBe(second);
});
