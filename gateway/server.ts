// The gateway: what the outside sees. Answers come from views, which are tables built from topics; points go into the
// log. It runs beside the processors in one process or alone against Kafka, and never talks to a processor.

import uws, { type TemplatedApp, type us_listen_socket } from 'uWebSockets.js';
import type { Broker } from '../broker/index.ts';
import { chooseKernels, type Kernels } from '../clustering/index.ts';
import { PointDecoder, type PointFormat, type PointShape, topics } from '../schemas/index.ts';
import type { EngineKind } from '../state-stores/index.ts';
import { type Clock, DependencyDownError, type Logger, type Metrics } from '../support/index.ts';
import { combinedHealth, type HealthReport } from './health.ts';
import { KRecommendations, type RecommendK } from './k-recommendations.ts';
import { defaultLimits, type GatewayLimits } from './limits.ts';
import { ModelCommands } from './model-commands.ts';
import type { PointInputOptions } from './point-input.ts';
import { PointsWriter } from './points-writer.ts';
import { Router } from './router.ts';
import { aliasRoutes } from './routes/aliases.ts';
import { assignRoute } from './routes/assign.ts';
import { assignmentRoute } from './routes/assignments.ts';
import { challengersRoute } from './routes/challengers.ts';
import { dashboardRoutes } from './routes/dashboard.ts';
import { healthRoutes } from './routes/health.ts';
import { kRecommendationRoutes } from './routes/k-recommendations.ts';
import { upgradeRequiredRoutes } from './routes/live.ts';
import { metricsRoute } from './routes/metrics.ts';
import { modelRoutes } from './routes/models.ts';
import { observationRoutes } from './routes/observations.ts';
import { pointsRoute } from './routes/points.ts';
import { retrainRoutes } from './routes/retrains.ts';
import { serveHttp } from './transport.ts';
import { Turns } from './turns.ts';
import type { RecentPairsOptions } from './views/recent-pairs.ts';
import { type Status, statusOf } from './views/status-view.ts';
import { Views } from './views/views.ts';
import { liveEndpoints, StatusStream } from './websocket/endpoints.ts';
import { serveWebSockets } from './websocket/serve-web-sockets.ts';

/** The settings of `points` that decide what is a valid point. */
export interface GatewayPointSettings extends PointShape {
  readonly format: PointFormat;
  readonly bytesMax: number;
  /** Like the rest of the shape while there is no model; 0: the first point of a request fixes it for it. */
  readonly dims: number;
}

export interface GatewayOptions {
  /** Connected, with the topics made. It belongs to the caller. */
  readonly broker: Broker;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Also the processors' consumer group, whose lag is shown. */
  readonly applicationId: string;
  /** The gateway's tables are kept below it, in `gateway/`. */
  readonly stateDir: string;
  readonly storeEngine?: EngineKind;
  readonly points: GatewayPointSettings;
  /** What the process says of itself; the gateway adds what it knows. */
  readonly health?: () => HealthReport;
  /** For a gateway that stands alone: points may come in before there is a model, else there never is one. */
  readonly readyWithoutModel?: boolean;
  /** Computes recommendations of K; without it there is no such route. */
  readonly recommendK?: RecommendK;
  readonly limits?: Partial<GatewayLimits>;
  /** Origins of other sites whose pages may open WebSockets. */
  readonly allowedOrigins?: readonly string[];
  /** Where the built page is. */
  readonly dashboardDir?: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface GatewayAddress {
  readonly url: string;
  readonly port: number;
}

const healthyProcess: HealthReport = {
  live: true,
  ready: true,
  started: true,
  reasons: [],
  detail: {},
};
const requiredTopics = [
  topics.points,
  topics.assignments,
  topics.models,
  topics.modelCommands,
  topics.clusterEvents,
  topics.quality,
  topics.drift,
  topics.modelCommands,
  topics.retrains,
  topics.challengers,
];

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #limits: GatewayLimits;
  readonly #kernels: Kernels = chooseKernels().kernels;
  readonly #views: Views;
  readonly #writer: PointsWriter;
  readonly #commands: ModelCommands;
  readonly #status: StatusStream;
  #app: TemplatedApp | undefined;
  #socket: us_listen_socket | undefined;
  #stopping: Promise<void> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    const { broker, clock } = options;
    this.#views = new Views({
      ...options,
      storeEngine: options.storeEngine ?? 'rocksdb',
      limits: this.#limits,
      kernels: this.#kernels,
      decode: pointVisitor(options.points, () => this.#shape()),
    });
    this.#writer = new PointsWriter(broker);
    this.#commands = new ModelCommands({
      ...{ broker, clock, registry: this.#views.models.registry },
      waitMsMax: this.#limits.decisionWaitMsMax,
    });
    this.#status = new StatusStream(clock, () => this.status());
  }

  /** Listens once everything appended from now on will be seen. Catching up with the past goes on behind. */
  async start(): Promise<GatewayAddress> {
    await this.#checkTopics();
    await this.#views.start();
    await this.#writer.start();
    const app = await this.#serve();
    this.#app = app;
    this.#socket = await listen(app, this.#options.host, this.#options.port);
    const port = uws.us_socket_local_port(this.#socket);
    const url = `http://${urlHost(this.#options.host)}:${port}`;
    this.#options.logger.info({ url }, 'the gateway listens');
    return { url, port };
  }

  /** Refuses new connections, lets appends finish, closes the rest. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** What GET /v1/status answers. */
  status(): Status {
    return statusOf({
      ...this.#views,
      health: () => this.health(),
      clock: this.#options.clock,
    });
  }

  health(): HealthReport {
    const { health, readyWithoutModel = false } = this.#options;
    return combinedHealth(health?.() ?? healthyProcess, {
      catchingUp: this.#views.catchingUp(),
      hasModel: this.#views.models.current() !== undefined,
      readyWithoutModel,
      stopping: this.#stopping !== undefined,
    });
  }

  async #stop(): Promise<void> {
    if (this.#socket !== undefined) uws.us_listen_socket_close(this.#socket);
    this.#status.stop();
    await this.#writer.stop();
    this.#app?.close();
    await this.#views.stop();
  }

  async #checkTopics(): Promise<void> {
    const found = await this.#options.broker.describeTopics(requiredTopics);
    const missing = requiredTopics.filter((name) => !found.some((topic) => topic.name === name));
    if (missing.length === 0) return;
    throw new DependencyDownError(
      `The log has no ${missing.join(', ')}; make the topics with \`meanstream topics apply\`.`,
      { missing },
    );
  }

  async #serve(): Promise<TemplatedApp> {
    const {
      broker,
      clock,
      logger,
      metrics,
      allowedOrigins = [],
      points,
      recommendK,
    } = this.#options;
    const { models, assignments, drift, quality, events, retrains, challengers } = this.#views;
    const limits = this.#limits;
    const status = () => this.status();
    const input: PointInputOptions = {
      shape: () => this.#shape(),
      pointBytesMax: points.bytesMax,
      limits,
    };
    const endpoints = liveEndpoints({ views: this.#views, limits, status: this.#status });
    const router = new Router([
      pointsRoute({
        ...{ input, writer: this.#writer, defaultFormat: points.format, clock },
        turns: new Turns(clock),
      }),
      assignRoute({
        input,
        currentModel: () => models.current(),
        kernels: this.#kernels,
      }),
      assignmentRoute(assignments),
      ...upgradeRequiredRoutes(endpoints.map(({ path }) => path)),
      ...modelRoutes(models, events),
      ...aliasRoutes(models.registry, this.#commands),
      challengersRoute(challengers),
      ...retrainRoutes({ retrains, broker, clock }),
      ...observationRoutes({ drift, quality, models, status }),
      ...(recommendK === undefined
        ? []
        : kRecommendationRoutes(new KRecommendations({ recommend: recommendK, clock, logger }))),
      metricsRoute(metrics, status),
      ...healthRoutes(() => this.health()),
      ...(await dashboardRoutes(this.#dashboardDir())),
    ]);
    const app = uws.App();
    serveWebSockets(app, { endpoints, limits, allowedOrigins, clock, logger, metrics });
    serveHttp(app, { router, limits, clock, logger, metrics });
    return app;
  }

  #dashboardDir(): string {
    return this.#options.dashboardDir ?? new URL('./dashboard/', import.meta.url).pathname;
  }

  #shape(): PointShape {
    return this.#views.models.current() ?? this.#options.points;
  }
}

/** Visits the points of a batch of records; what is no point is a dead letter elsewhere, and left out here. */
function pointVisitor(
  { format, bytesMax }: GatewayPointSettings,
  shape: () => PointShape,
): RecentPairsOptions['decode'] {
  const decoder = new PointDecoder({ format, bytesMax, timestampSkewMsMax: Infinity });
  return (batch, each) => {
    const { points } = decoder.decode(batch, shape());
    for (let row = 0; row < points.n; row += 1) {
      each(points.offsets[row]!, points.values, row * points.dims, points.dims);
    }
  };
}

function listen(app: TemplatedApp, host: string, port: number): Promise<us_listen_socket> {
  return new Promise((resolve, reject) => {
    app.listen(host, port, (socket) => {
      if (socket !== false) return resolve(socket);
      reject(
        new DependencyDownError(
          `Nothing can listen on ${host}:${port}; another process has it, or the address is not of this machine; choose another http.port or http.host.`,
          { host, port },
        ),
      );
    });
  });
}

/** What a person on this machine can open. */
function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
