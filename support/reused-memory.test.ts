import { expect, test } from 'vitest';
import { ReusedMemory } from './reused-memory.ts';

const memoryOf = (freeBytesMax: number) => new ReusedMemory({ pieceBytesMin: 4_096, freeBytesMax });

test.each([
  [0, 4_096],
  [4_096, 4_096],
  [4_097, 8_192],
  [1_048_576, 1_048_576],
])('%i bytes are taken as %i', (bytes, taken) => {
  expect(memoryOf(0).take(bytes).byteLength).toBe(taken);
});

test('what was given back is taken again, once, by who needs as much or half of it', () => {
  const memory = memoryOf(100_000);
  const given = memory.take(10_000);
  memory.give(given);
  expect(memory.take(4_000)).not.toBe(given);
  expect(memory.take(17_000)).not.toBe(given);
  expect(memory.take(9_000)).toBe(given);
  expect(memory.take(9_000)).not.toBe(given);
  memory.give(given);
  expect(memory.take(8_000)).toBe(given);
});

test('no more than its bound is kept', () => {
  const memory = memoryOf(10_000);
  const [first, second] = [memory.take(8_192), memory.take(8_192)];
  memory.give(first);
  memory.give(second);
  expect(memory.take(8_192)).toBe(first);
  expect(memory.take(8_192)).not.toBe(second);
});
