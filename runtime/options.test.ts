import { expect, test } from 'vitest';
import { InvalidSettingError, systemClock } from '../support/index.ts';
import { compileRuntimeOptions, type StreamRuntimeOptions } from './options.ts';
import { MemoryBroker } from './testing/memory-broker.ts';
import { wordCount } from './testing/word-count.ts';

const given: StreamRuntimeOptions = {
  topology: wordCount(),
  broker: new MemoryBroker(systemClock),
  applicationId: 'app',
  instanceId: 'one',
  stateDir: '/somewhere',
  clock: systemClock,
};

test('what is not given has its default, also when it is given as undefined', () => {
  const loose = { ...given, commitIntervalMs: undefined } as unknown as StreamRuntimeOptions;
  expect(compileRuntimeOptions(loose)).toMatchObject({
    commitIntervalMs: 100,
    batchRowsMax: 4096,
    storeEngine: 'rocksdb',
    autoOffsetReset: 'earliest',
  });
});

test('all that is wrong is in one error', () => {
  const wrong = { ...given, applicationId: 'a/b', instanceId: '', commitIntervalMs: 0 };
  try {
    compileRuntimeOptions(wrong);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidSettingError);
    expect((error as InvalidSettingError).fields.faults).toHaveLength(3);
  }
});
