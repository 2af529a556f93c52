// Whoever runs retrains keeps the versions in the artifact store: `dev` and `retrain --serve` while they go on, `retrain` and
// `models import` when they are done.

import type { Broker } from '../broker/index.ts';
import { archiveVersions, keepArchived, ModelFollower } from '../jobs/index.ts';
import type { VersionArtifact } from '../schemas/index.ts';
import type { CommandContext } from './command-context.ts';
import { openArtifacts } from './open-artifacts.ts';

/** One pass. @param anew versions to write again though they are archived */
export async function archiveOnce(
  context: CommandContext,
  broker: Broker,
  anew: readonly string[] = [],
): Promise<VersionArtifact[]> {
  const { clock } = context;
  const artifacts = await openArtifacts(context);
  const follower = await ModelFollower.open(broker);
  try {
    return await archiveVersions({ broker, artifacts, clock, registry: follower.registry }, anew);
  } finally {
    await follower.close();
    await artifacts.close();
  }
}

/** Until stopped. */
export async function startArchiving(
  context: CommandContext,
  broker: Broker,
  isOnDuty: () => boolean,
): Promise<{ readonly stop: () => Promise<void> }> {
  const { clock, logger, settings } = context;
  const application = settings['application.id'];
  const artifacts = await openArtifacts(context);
  const stopping = new AbortController();
  const { signal } = stopping;
  const working = keepArchived({
    ...{ broker, artifacts, application, clock, logger, isOnDuty, signal },
  });
  return {
    async stop() {
      stopping.abort();
      await working;
      await artifacts.close();
    },
  };
}
