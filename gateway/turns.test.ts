import { expect, test } from 'vitest';
import { ManualClock, nextTurn } from '../support/index.ts';
import { Turns } from './turns.ts';

test('work is done in its order, urgent work before the rest', async () => {
  const turns = new Turns(new ManualClock());
  const done: string[] = [];
  const doing = ['a', 'b'].map((name) => turns.run(() => done.push(name)));
  doing.push(turns.run(() => done.push('first'), { urgent: true }));
  await Promise.all(doing);
  expect(done).toEqual(['a', 'first', 'b']);
});

test('what takes a millisecond is alone in its turn, so that others get theirs', async () => {
  const clock = new ManualClock();
  const turns = new Turns(clock);
  let done = 0;
  for (let work = 0; work < 5; work += 1) {
    void turns.run(() => {
      done += 1;
      clock.advance(1);
    });
  }
  const seen: number[] = [];
  while (done < 5) {
    await nextTurn();
    seen.push(done);
  }
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

test('work that fails says why, and the next is done', async () => {
  const turns = new Turns(new ManualClock());
  const failing = turns.run(() => {
    throw new Error('bad');
  });
  const next = turns.run(async () => 'good');
  await expect(failing).rejects.toThrow('bad');
  expect(await next).toBe('good');
  expect(await turns.run(() => 'again')).toBe('again');
});
