// All tables and tails of the gateway, started and stopped together. Each follows its topics by itself, without a
// group: every gateway sees everything.

import type { Broker } from '../../broker/index.ts';
import type { Kernels } from '../../clustering/index.ts';
import {
  type ChallengerReport,
  type ClusterEvent,
  type DriftReport,
  decodeChallengerReport,
  decodeClusterEvent,
  decodeDrift,
  decodeQuality,
  type QualitySummary,
  topics,
} from '../../schemas/index.ts';
import type { EngineKind } from '../../state-stores/index.ts';
import type { Clock, Logger } from '../../support/index.ts';
import type { GatewayLimits } from '../limits.ts';
import { LiveAssignments } from '../websocket/live-assignments.ts';
import { LiveMessages } from '../websocket/live-messages.ts';
import { AssignmentsView } from './assignments-view.ts';
import { LagView } from './lag-view.ts';
import { MapView } from './map-view.ts';
import { ModelsView } from './models-view.ts';
import type { RecentPairsOptions } from './recent-pairs.ts';
import { RecentView } from './recent-view.ts';
import { RetrainsView } from './retrains-view.ts';
import { Throughput } from './throughput.ts';
import { TopicTail } from './topic-tail.ts';

export interface ViewsOptions {
  readonly broker: Broker;
  readonly applicationId: string;
  readonly stateDir: string;
  readonly storeEngine: EngineKind;
  readonly limits: GatewayLimits;
  readonly decode: RecentPairsOptions['decode'];
  readonly kernels: Kernels;
  readonly clock: Clock;
  readonly logger: Logger;
}

const driftReportsMax = 500;
const eventsMax = 500;
const summariesMax = 200;
const challengerReportsMax = 60;

export class Views {
  readonly models: ModelsView;
  readonly assignments: AssignmentsView;
  readonly drift: RecentView<DriftReport>;
  readonly events: RecentView<ClusterEvent>;
  readonly quality: RecentView<QualitySummary>;
  readonly retrains: RetrainsView;
  readonly challengers: RecentView<ChallengerReport>;
  readonly lag: LagView;
  readonly map: MapView;
  readonly throughput: Throughput;
  readonly liveAssignments: LiveAssignments;
  readonly liveEvents = new LiveMessages();
  readonly #liveTail: TopicTail;

  constructor(options: ViewsOptions) {
    const { broker, applicationId, limits, clock, logger } = options;
    const { readRowsMax: rowsMax } = limits;
    const common = { broker, clock, logger };
    this.models = new ModelsView(common);
    this.#publishDecisions();
    this.assignments = new AssignmentsView({ ...options, rowsMax });
    this.drift = new RecentView({
      ...common,
      topic: topics.drift,
      messagesMax: driftReportsMax,
      decode: decodeDrift,
    });
    this.events = new RecentView({
      ...common,
      topic: topics.clusterEvents,
      messagesMax: eventsMax,
      decode: decodeClusterEvent,
      // A cluster event has a type of its own: it travels as `event`.
      onMessage: (event) => this.liveEvents.publish({ type: 'event', event }),
    });
    this.quality = new RecentView({
      ...common,
      topic: topics.quality,
      messagesMax: summariesMax,
      decode: decodeQuality,
    });
    this.challengers = new RecentView({
      ...common,
      topic: topics.challengers,
      messagesMax: challengerReportsMax,
      decode: decodeChallengerReport,
      onMessage: (report) => this.liveEvents.publish({ type: 'challengers', report }),
    });
    this.retrains = new RetrainsView({
      ...common,
      onState: (retrain) => this.liveEvents.publish({ type: 'retrain', retrain }),
    });
    this.lag = new LagView({ ...common, group: applicationId });
    this.throughput = new Throughput(clock);
    this.liveAssignments = new LiveAssignments(limits.frameRowsMax);
    this.map = new MapView({
      ...common,
      decode: options.decode,
      kernels: options.kernels,
      currentModel: () => this.models.current(),
    });
    this.#liveTail = new TopicTail({
      ...common,
      topic: topics.assignments,
      from: { last: 0 },
      rowsMax,
      onBatch: (batch) => {
        this.throughput.add(batch.n);
        this.liveAssignments.publish(batch);
      },
      onSkip: (_partition, from, to) => {
        if (to > from) this.liveAssignments.announceGap(to - from);
      },
    });
  }

  /** Returns when every starting position is fixed; catching up goes on behind. */
  async start(): Promise<void> {
    await this.#liveTail.start();
    await this.models.start();
    await this.assignments.start();
    await Promise.all([
      this.drift.start(),
      this.events.start(),
      this.quality.start(),
      this.retrains.start(),
      this.challengers.start(),
      this.lag.start(),
    ]);
  }

  /** Topics that are still being read up to where they were at the start. */
  catchingUp(): string[] {
    const waiting: string[] = [];
    if (!this.models.isCaughtUp) waiting.push(topics.models);
    if (!this.assignments.isCaughtUp) waiting.push(topics.assignments);
    return waiting;
  }

  /** Those made from now on; the past is at GET /v1/aliases/{alias}/history. */
  #publishDecisions(): void {
    const { registry } = this.models;
    let seen = 0;
    registry.onChange(() => {
      const after = seen;
      seen = Math.max(seen, registry.decisionNumber);
      if (!this.models.isCaughtUp || seen === after) return;
      for (const decision of registry.decisions()) {
        if (decision.number > after) this.liveEvents.publish({ type: 'decision', decision });
      }
    });
  }

  async stop(): Promise<void> {
    await this.map.stop();
    await Promise.all([
      this.#liveTail.stop(),
      this.models.stop(),
      this.assignments.stop(),
      this.drift.stop(),
      this.events.stop(),
      this.quality.stop(),
      this.retrains.stop(),
      this.challengers.stop(),
      this.lag.stop(),
    ]);
  }
}
