import { expect, test } from 'vitest';
import { ManualClock, nextTurn } from '../support/index.ts';
import { Breath } from './breath.ts';

test('tasks that are all late go on one by one, a turn of the event loop between them', async () => {
  const clock = new ManualClock();
  const breath = new Breath(clock);
  let turn = 0;
  let isOver = false;
  const turns = (async () => {
    for (; !isOver; turn += 1) await nextTurn();
  })();
  const wentOnAt: number[] = [];
  const task = async () => {
    for (let batch = 0; batch < 3; batch += 1) {
      await breath.take();
      wentOnAt.push(turn);
      clock.advance(20);
    }
  };
  await Promise.all([task(), task(), task()]);
  isOver = true;
  await turns;
  expect(new Set(wentOnAt).size).toBe(9);
});

test('a task that is not late goes on at once', async () => {
  const breath = new Breath(new ManualClock());
  await breath.take();
  let hasTurned = false;
  const turned = nextTurn().then(() => {
    hasTurned = true;
  });
  await breath.take();
  expect(hasTurned).toBe(false);
  await turned;
});
