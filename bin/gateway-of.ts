// The gateway as the settings ask for it.

import type { Broker } from '../broker/index.ts';
import { Gateway, type HealthReport } from '../gateway/index.ts';
import type { Metrics } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import { recommendKFor } from './run-recommend-k.ts';

interface GatewayParts {
  readonly broker: Broker;
  readonly metrics: Metrics;
  /** Of the tasks in the same process; a gateway alone has none. */
  readonly health?: () => HealthReport;
}

export function gatewayOf(context: CommandContext, parts: GatewayParts): Gateway {
  const { settings, clock, logger } = context;
  return new Gateway({
    ...parts,
    host: settings['http.host'],
    port: settings['http.port'],
    applicationId: settings['application.id'],
    stateDir: settings['state.dir'],
    storeEngine: settings['state.store.engine'],
    points: {
      format: settings['points.format'],
      bytesMax: settings['points.bytes.max'],
      dims: settings['model.dimensions'] || settings['model.features'].length,
      features: settings['model.features'],
      metric: settings['model.metric'],
      missing: settings['model.missing'],
    },
    // Beside tasks it answers for the whole process; alone it has points to take even before there is a model.
    readyWithoutModel: parts.health === undefined,
    recommendK: (request, onProgress) =>
      recommendKFor(context, { broker: parts.broker, ...request, onProgress }),
    clock,
    logger,
  });
}
