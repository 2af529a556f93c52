import { expect, test } from 'vitest';
import { murmur2, partitionOfKey } from './partition-of-key.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('the hash of "%s" is the one Kafka gives it', (text, hash) => {
  expect(murmur2(bytes(text))).toBe(hash);
});

test('every key has a partition that exists', () => {
  for (let i = 0; i < 1_000; i += 1) {
    const partition = partitionOfKey(bytes(`key-${i}`), 7);
    expect(partition).toBeGreaterThanOrEqual(0);
    expect(partition).toBeLessThan(7);
  }
});
