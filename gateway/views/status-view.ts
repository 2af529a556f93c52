// What is going on, as one value: for the page once a second and for GET /v1/status. Everything in it comes from views.

import type { ClusterEvent, DriftReport, RetrainState } from '../../schemas/index.ts';
import type { Clock } from '../../support/index.ts';
import type { HealthReport } from '../health.ts';
import type { Lag, LagView } from './lag-view.ts';
import { clustersOf, type ModelsView, modelSummary } from './models-view.ts';
import type { RecentView } from './recent-view.ts';
import type { RetrainsView } from './retrains-view.ts';
import type { Throughput } from './throughput.ts';

export interface StatusSources {
  readonly models: ModelsView;
  readonly drift: RecentView<DriftReport>;
  readonly events: RecentView<ClusterEvent>;
  readonly retrains: RetrainsView;
  readonly throughput: Throughput;
  readonly lag: LagView;
  readonly health: () => HealthReport;
  readonly clock: Clock;
}

export interface Status {
  readonly type: 'status';
  readonly timeMs: number;
  readonly health: Omit<HealthReport, 'detail'>;
  /** What tasks of this process wait for, e.g. enough points to begin with. */
  readonly waiting: readonly string[];
  readonly model: Readonly<Record<string, unknown>> | null;
  readonly modelAgeMs: number | null;
  /** Heaviest first; at most `clustersMax`, `clusterCount` says how many there are. */
  readonly clusters: readonly StatusCluster[];
  readonly clusterCount: number;
  readonly throughput: {
    readonly pointsPerSecond: number;
    readonly history: readonly number[];
    readonly total: number;
  };
  readonly lag: (Lag & { readonly seconds: number | null }) | null;
  readonly drift: readonly DriftReport[];
  readonly events: readonly ClusterEvent[];
  /** The newest that was asked for. */
  readonly retrain: RetrainState | null;
}

export interface StatusCluster {
  readonly clusterId: string;
  readonly weight: number;
  readonly share: number;
  readonly radius: number;
}

const clustersMax = 100;
const driftReportsMax = 120;
const eventsMax = 20;

export function statusOf(sources: StatusSources): Status {
  const { models, drift, events, throughput, health, clock } = sources;
  const model = models.current();
  const clusters = model === undefined ? [] : clustersOf(model);
  const { live, ready, started, reasons, detail } = health();
  return {
    type: 'status',
    timeMs: clock.nowMs(),
    health: { live, ready, started, reasons },
    waiting: waitingOf(detail),
    model: model === undefined ? null : modelSummary(model, models.registry.aliases(model.version)),
    modelAgeMs: model === undefined ? null : Math.max(0, clock.nowMs() - model.createdAtMs),
    clusters: clusters
      .sort((a, b) => b.weight - a.weight)
      .slice(0, clustersMax)
      .map(({ clusterId, weight, share, radius }) => ({ clusterId, weight, share, radius })),
    clusterCount: clusters.length,
    throughput: {
      pointsPerSecond: throughput.perSecond(),
      history: throughput.history(),
      total: throughput.total,
    },
    lag: lagOf(sources),
    drift: drift.messages().slice(-driftReportsMax),
    events: events.messages().slice(-eventsMax),
    retrain: sources.retrains.latest() ?? null,
  };
}

/** In seconds: what it takes at the present rate. */
function lagOf({ lag, throughput }: StatusSources): Status['lag'] {
  const now = lag.lag();
  if (now === undefined) return null;
  const rate = throughput.perSecond();
  const seconds = now.records === 0 ? 0 : rate > 0 ? now.records / rate : null;
  return { ...now, seconds };
}

/** Each sentence once, from `tasks: [{ waiting }]`, where the process tells of its tasks. */
function waitingOf({ tasks }: HealthReport['detail']): string[] {
  const all: readonly unknown[] = Array.isArray(tasks) ? tasks : [];
  const sentences = all.map((task) => (task as { waiting?: unknown } | null)?.waiting);
  return [...new Set(sentences.filter((sentence) => typeof sentence === 'string'))];
}
