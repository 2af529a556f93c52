// Runs a topology over a broker: tasks, commits, restores, global stores. Knows nothing of the product: no topic name
// stands in here. Read task.ts first (its head has the protocol), then task-runner.ts (what follows an error).
//
//   const runtime = new StreamRuntime({ topology, broker, applicationId, instanceId, stateDir, clock: systemClock });
//   await runtime.start();
//   …
//   await runtime.stop();

export {
  compileRuntimeOptions,
  type RuntimeOptions,
  type StreamRuntimeOptions,
} from './options.ts';
export type {
  ReplicaStatus,
  RuntimeState,
  RuntimeStatus,
  TaskPosition,
  TaskState,
  TaskStatus,
} from './status.ts';
export { StreamRuntime } from './stream-runtime.ts';
export type { PlainRecord } from './testing/read-all.ts';
export {
  type PipedRecord,
  type TestDriverOptions,
  TopologyTestDriver,
} from './testing/test-driver.ts';
