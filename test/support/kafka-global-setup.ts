// One Kafka for the whole test run (vitest globalSetup): test files get it by inject('kafka').

import type { TestProject } from 'vitest/node';
import { type RunningKafka, startTestKafka, type Unavailable } from './kafka-cluster.ts';

declare module 'vitest' {
  interface ProvidedContext {
    kafka: RunningKafka | Unavailable;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const kafka = await startTestKafka();
  if ('unavailable' in kafka) {
    project.provide('kafka', { unavailable: kafka.unavailable });
    return async () => {};
  }
  const { bootstrapServers, libsDir } = kafka;
  project.provide('kafka', { bootstrapServers, libsDir });
  return () => kafka.stop();
}
