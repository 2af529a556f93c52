// The topics of this deployment against those of a broker, for `topics`, `processor`, `gateway` and `doctor`.

import type { Broker } from '../broker/index.ts';
import type { TopicSpec } from '../schemas/index.ts';
import type { CommandContext } from './command-context.ts';
import { checkFailedError } from './exit-codes.ts';
import { pipelineOf } from './pipeline.ts';
import { productTopics } from './product-topics.ts';
import { planTopics, type TopicPlanEntry } from './topic-plan.ts';

export function wantedTopics(context: CommandContext): TopicSpec[] {
  return productTopics(context.settings, pipelineOf(context.settings));
}

export async function currentPlan(
  context: CommandContext,
  broker: Broker,
): Promise<TopicPlanEntry[]> {
  const specs = wantedTopics(context);
  return planTopics(specs, await broker.describeTopics(specs.map((spec) => spec.name)));
}

/** @throws MeanstreamError MEANSTREAM_CHECK_FAILED when a topic is missing: a service does not make topics unasked. */
export async function requireTopics(context: CommandContext, broker: Broker): Promise<void> {
  const plan = await currentPlan(context, broker);
  const missing = plan.filter((entry) => entry.action === 'create').map((entry) => entry.topic);
  for (const { topic, details } of plan.filter((entry) => entry.action === 'differs')) {
    context.logger.warn({ topic, details }, 'topic is not as the settings say');
  }
  if (missing.length === 0) return;
  throw checkFailedError(
    `${missing.length} topics are missing (${missing.join(', ')}); make them with \`meanstream topics apply\`.`,
    { missing },
  );
}
