// Whether a runtime says that it is ready while its commits fail.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RetriableError, systemClock } from '../support/index.ts';
import { until } from '../test/support/until.ts';
import { StreamRuntime } from './stream-runtime.ts';
import { copiedLines, createLinesAndCopies, sendLine } from './testing/copied-lines.ts';
import { MemoryBroker } from './testing/memory-broker.ts';

const fault = new RetriableError('nobody takes dead letters');
let broker: MemoryBroker;
let stateDir: string;
let runtime: StreamRuntime;
/** Of the task, as seen while its commits failed. */
let states: Set<string>;

beforeEach(async () => {
  broker = new MemoryBroker(systemClock);
  stateDir = await mkdtemp(join(tmpdir(), 'meanstream-readiness-'));
  states = new Set();
  await createLinesAndCopies(broker);
  const open = broker.openTransactionalWriter.bind(broker);
  broker.openTransactionalWriter = async (id) => {
    const writer = await open(id);
    return {
      ...writer,
      commit: async (transaction) => {
        await systemClock.sleep(30); // as long as a log without an answer is waited for
        return writer.commit(transaction);
      },
    };
  };
  runtime = new StreamRuntime({
    ...{ topology: copiedLines(), broker, stateDir, commitIntervalMs: 1, clock: systemClock },
    ...{ applicationId: 'app', instanceId: 'one', storeEngine: 'memory' },
  });
  await runtime.start();
  await until('it is ready', () => runtime.status().ready);
});

afterEach(async () => {
  await runtime.stop();
  await rm(stateDir, { recursive: true, force: true });
});

function send(): void {
  sendLine(broker);
}

test('a task that is opened again and again over a commit that fails is not ready, whether it runs just now or not', async () => {
  let failures = 0;
  broker.faults.commit = () => {
    failures += 1;
    throw fault;
  };
  send();
  await until('one commit has failed', () => failures === 1 && !runtime.status().ready);
  await until('four commits have failed', () => {
    const { ready, reasons, tasks } = runtime.status();
    expect({ ready, reasons }).toEqual({
      ready: false,
      reasons: [expect.stringContaining(fault.message)],
    });
    states.add(tasks[0]!.state);
    return failures === 4;
  });
  expect(states).toContain('RUNNING');
  delete broker.faults.commit;
  await until('it is ready again', () => runtime.status().ready);
  expect((await broker.listOffsets('copies'))[0]!.end).toBe(1);
});

test('a task that was interrupted and has nothing to take in is ready', async () => {
  broker.faults.commit = (_, apply) => {
    apply();
    delete broker.faults.commit;
    throw fault;
  };
  send();
  await until('the task waits', () => runtime.status().tasks[0]!.reason !== null);
  await until('it is ready again', () => runtime.status().ready);
  expect((await broker.listOffsets('copies'))[0]!.end).toBe(1);
  expect(runtime.status().tasks[0]!.reason).toBe(fault.message);
});
