import { expect, it } from 'vitest';
import { AnswerMemory } from './answer-memory.ts';

it('keeps large memory for large answers', () => {
  const memory = new AnswerMemory();
  const large = memory.take(4_000_000);
  memory.give(large);
  const small = memory.take(70_000);
  expect(small.length).toBeLessThan(140_000);
  expect(memory.take(4_100_000)).toBe(large);
});
