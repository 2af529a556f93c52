import { describe, expect, inject, test } from 'vitest';
import { titleWith } from '../../test/support/kafka-cluster.ts';
import { hasLiveBroker } from './probe-kafka.ts';

const kafka = inject('kafka');

describe.skipIf('unavailable' in kafka)(titleWith(kafka, 'a local Kafka'), () => {
  test('answers at the address it names', async () => {
    if ('unavailable' in kafka) return;
    expect(await hasLiveBroker(kafka.bootstrapServers, 5_000)).toBe(true);
  });
});

test('no Kafka is found where nothing listens, or where the address is none', async () => {
  expect(await hasLiveBroker('127.0.0.1:1', 1_000)).toBe(false);
  expect(await hasLiveBroker('nonsense', 1_000)).toBe(false);
});
