// The metrics of one process, by the names in docs. prom-client keeps and prints them; a processor only moves them.
// Cardinality is bounded: no label takes a value from data.

import { createRequire } from 'node:module';
import type { Counter, Gauge, Histogram, Registry } from 'prom-client';

const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const addsUp = new Set([
  'consumer_lag_records',
  'partitions_assigned',
  'restore_remaining_records',
  'replicas',
]);

const require = createRequire(import.meta.url);

/** Loaded when there is something to measure: it is half of what a thread of a fit would start with. */
function prometheus(): typeof import('prom-client') {
  return require('prom-client');
}

/** What `registry.getMetricsAsJSON` gives: it can be sent between threads. */
export type MetricValues = readonly object[];

/** The metrics of several threads as those of one process, in Prometheus' text. */
export function mergedMetrics(threads: readonly MetricValues[]): Promise<string> {
  return prometheus()
    .AggregatorRegistry.aggregate(threads.map((values) => [...values]))
    .metrics();
}

export class Metrics {
  readonly registry: Registry = new (prometheus().Registry)();

  readonly pointsConsumed = this.#counter(
    'points_consumed_total',
    'Records read from an input topic.',
    ['topic'],
  );
  readonly pointsAssigned = this.#counter('points_assigned_total', 'Points given a cluster.');
  readonly pointsTooLate = this.#counter(
    'points_too_late_total',
    'Points more than 50 half-lives late in event time: assigned, but of no weight.',
  );
  readonly deadLetters = this.#counter(
    'dead_letters_total',
    'Records sent to dead-letters, by reason.',
    ['reason'],
  );
  readonly assignDuration = this.#histogram(
    'assign_duration_seconds',
    'Time to assign one batch of points.',
  );
  readonly endToEndLatency = this.#histogram(
    'end_to_end_latency_seconds',
    'From event time to visible assignment.',
  );
  readonly consumerLag = this.#gauge('consumer_lag_records', 'Records not yet processed.', [
    'topic',
    'partition',
  ]);
  readonly lastProgress = this.#gauge(
    'last_progress_timestamp_seconds',
    'When a task last committed.',
  );
  readonly rebalances = this.#counter('rebalances_total', 'Assignments received from the group.');
  readonly partitionsAssigned = this.#gauge('partitions_assigned', 'Tasks this process owns.');
  readonly commits = this.#counter('commits_total', 'Transactions, by outcome.', ['outcome']);
  readonly commitDuration = this.#histogram('commit_duration_seconds', 'Time a commit took.');
  readonly restoreRemaining = this.#gauge(
    'restore_remaining_records',
    'Changelog records left to restore.',
  );
  readonly restoredRecords = this.#counter(
    'restored_records_total',
    'Changelog records read into stores, by owners that restore and by replicas that follow.',
    ['role'],
  );
  readonly restoredBytes = this.#counter(
    'restored_bytes_total',
    'Bytes of their keys and values.',
    ['role'],
  );
  readonly replicas = this.#gauge('replicas', 'Copies of stores that this process keeps.', [
    'kind',
  ]);
  readonly replicaLag = this.#gauge(
    'replica_lag_records',
    'Changelog records that a copy still lacks.',
    ['task'],
  );
  readonly watchdogRestarts = this.#counter(
    'watchdog_restarts_total',
    'Tasks restarted because they made no progress.',
  );
  readonly restoreDuration = this.#histogram('restore_duration_seconds', 'Time to restore a task.');
  readonly deltasFolded = this.#counter(
    'deltas_folded_total',
    'Centroid deltas, by what became of them.',
    ['outcome'],
  );
  readonly clustersActive = this.#gauge('clusters_active', 'Clusters of the current model.');
  readonly clusterWeight = this.#gauge(
    'cluster_weight_ratio',
    'Share of a cluster (top 20, rest as other).',
    ['cluster'],
  );
  readonly quantizationError = this.#gauge(
    'quantization_error',
    'Mean squared distance to the nearest centroid.',
  );
  readonly shadowError = this.#gauge(
    'shadow_mean_squared_distance',
    'Of the points on which champion and shadow are compared, in the shadow’s space.',
    ['alias'],
  );
  readonly driftScore = this.#gauge('drift_score', 'Latest score of a drift detector.', [
    'detector',
  ]);
  readonly driftEvents = this.#counter('drift_events_total', 'Alarms of a drift detector.', [
    'detector',
  ]);
  readonly modelVersion = this.#gauge(
    'model_version_info',
    '1 for the version an alias points at.',
    ['version', 'alias'],
  );
  readonly modelStaleness = this.#gauge(
    'model_staleness_seconds',
    'Age of the oldest that a task has learned and no model has taken in.',
    ['task'],
  );
  readonly modelAge = this.#gauge('model_age_seconds', 'Age of the current model.');
  readonly retrainRuns = this.#counter('retrain_runs_total', 'Retrain jobs, by outcome.', [
    'outcome',
  ]);
  readonly retrainRequests = this.#counter(
    'retrain_requests_total',
    'Retrains asked for, by what asked.',
    ['trigger'],
  );
  readonly retrainDuration = this.#gauge(
    'retrain_duration_seconds',
    'Duration of the last retrain.',
  );
  readonly wsConnections = this.#gauge('ws_connections', 'Open WebSocket connections.');
  readonly wsMessagesSent = this.#counter('ws_messages_sent_total', 'WebSocket frames sent.');
  readonly wsMessagesDropped = this.#counter(
    'ws_messages_dropped_total',
    'Assignments dropped for slow clients.',
    ['reason'],
  );
  readonly httpRequestDuration = this.#histogram(
    'http_request_duration_seconds',
    'HTTP requests.',
    ['method', 'route', 'status'],
  );
  readonly eventLoopLag = this.#gauge(
    'event_loop_lag_seconds',
    'p99 delay of the event loop over the last interval.',
  );

  /** Memory, CPU, garbage collection and file descriptors of this process, under prom-client's names. Call it once. */
  collectProcessMetrics(): void {
    prometheus().collectDefaultMetrics({ register: this.registry });
  }

  #counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Counter<Label> {
    return new (prometheus().Counter)({
      name: `meanstream_${name}`,
      help,
      labelNames,
      registers: [this.registry],
    });
  }

  #gauge<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Gauge<Label> {
    return new (prometheus().Gauge)({
      name: `meanstream_${name}`,
      help,
      labelNames,
      // Only for the threads of a process: what is counted adds up, of the rest one thread has the newest.
      aggregator: addsUp.has(name) ? 'sum' : 'max',
      registers: [this.registry],
    });
  }

  #histogram<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Histogram<Label> {
    return new (prometheus().Histogram)({
      name: `meanstream_${name}`,
      help,
      labelNames,
      buckets: durationBuckets,
      registers: [this.registry],
    });
  }
}
