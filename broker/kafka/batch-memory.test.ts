import { expect, it } from 'vitest';
import { BatchMemory } from './batch-memory.ts';

it('gives different memory until it is told that all of it may be used again', () => {
  const memory = new BatchMemory();
  const [first, second] = [memory.take(100), memory.take(50)];
  expect(second.buffer).not.toBe(first.buffer);
  memory.reuse();
  expect(memory.take(80)).toBe(first);
  expect(memory.take(50)).toBe(second);
});

it('gives more where a batch is larger than the one before', () => {
  const memory = new BatchMemory();
  memory.take(10);
  memory.reuse();
  expect(memory.take(1_000).length).toBeGreaterThanOrEqual(1_000);
});

it('gives the same again where a batch is a little larger than the one before', () => {
  const memory = new BatchMemory();
  const first = memory.take(1_000);
  memory.reuse();
  expect(memory.take(1_100)).toBe(first);
});

it('keeps no more than the last transaction took, or a few', () => {
  const memory = new BatchMemory();
  const many = Array.from({ length: 10 }, () => memory.take(10));
  memory.reuse();
  memory.take(10);
  memory.reuse();
  const again = many.map(() => memory.take(10));
  expect(again.map((buffer, i) => buffer === many[i])).toEqual(many.map((_, i) => i < 4));
});
