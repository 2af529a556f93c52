// The stream runtime as the settings ask for it. The one place that joins topology, runtime and settings.

import type { Broker } from '../broker/index.ts';
import { chooseKernels } from '../clustering/index.ts';
import { StreamRuntime } from '../runtime/index.ts';
import type { Metrics } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import { memoryText, pipelineOf } from './pipeline.ts';

/** Below the drain limit of the process, so that the runtime's own message is the one that is read. */
const stopTimeoutMs = 20_000;

export function runtimeOf(
  { settings, clock, logger }: CommandContext,
  broker: Broker,
  metrics: Metrics,
  processId = settings['group.instance.id'],
): StreamRuntime {
  logger.info({}, chooseKernels().reason);
  logger.info({}, memoryText(settings));
  return new StreamRuntime({
    topology: pipelineOf(settings),
    broker,
    applicationId: settings['application.id'],
    instanceId: settings['group.instance.id'],
    processId,
    standbyReplicas: settings['num.standby.replicas'],
    warmupReplicasMax: settings['max.warmup.replicas'],
    recoveryLagMax: settings['acceptable.recovery.lag'],
    watchdogTimeoutMs: settings['watchdog.timeout.ms'],
    stateDir: settings['state.dir'],
    storeEngine: settings['state.store.engine'],
    processingGuarantee: settings['processing.guarantee'],
    commitIntervalMs: settings['commit.interval.ms'],
    batchRowsMax: settings['batch.rows.max'],
    autoOffsetReset: settings['auto.offset.reset'],
    replicationFactor: settings['replication.factor'],
    sessionTimeoutMs: settings['session.timeout.ms'],
    stopTimeoutMs,
    clock,
    logger,
    metrics,
    onFatal: (err) => logger.error({ err }, 'a task has stopped for good; the others go on'),
  });
}
