// Closing: twice is once, and nothing is left waiting.

import { expect, it } from 'vitest';
import {
  appendOf,
  type BrokerUnderTest,
  codeOf,
  elapsedMs,
  monotonicMs,
  newTopic,
  sleepMs,
  uniqueName,
} from './contract-fixtures.ts';

export function lifecycleCases(create: () => Promise<BrokerUnderTest>): void {
  it('closes readers, writers and brokers twice without harm', async () => {
    const underTest = await create();
    const { broker } = underTest;
    const topic = await newTopic(broker);
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    const writer = await broker.openWriter();
    const transactional = await broker.openTransactionalWriter(uniqueName('tx'));
    await writer.append([appendOf(topic, 0, ['a'])]);
    for (const closable of [reader, writer, transactional, broker]) {
      await closable.close();
      await closable.close();
    }
    await underTest.close();
  });

  it('ends a waiting read when the broker closes', async () => {
    const underTest = await create();
    const { broker } = underTest;
    const topic = await newTopic(broker);
    const reader = broker.openReader({ topic, partition: 0 }, 0);
    const startMs = monotonicMs();
    const waiting = codeOf(reader.read({ rowsMax: 1, waitMsMax: 60_000 }));
    await sleepMs(100);
    await broker.close();
    await waiting;
    expect(elapsedMs(startMs)).toBeLessThan(20_000);
    await underTest.close();
  });
}
