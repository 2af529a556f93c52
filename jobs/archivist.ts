// Keeps the artifact store in step with `models`, for as long as it is on duty: what has a record is archived, what was pruned is swept.

import type { Logger } from '../support/index.ts';
import { ModelFollower } from './model-follower.ts';
import { sweepArtifacts } from './prune-versions.ts';
import { type ArchiveOptions, archiveVersions } from './version-archive.ts';

export interface ArchivistOptions extends Omit<ArchiveOptions, 'registry'> {
  /** Whose coresets stay. */
  readonly application: string;
  /** Nothing is read while this is false: one of many is enough. */
  readonly isOnDuty: () => boolean;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

const lookMs = 1_000;
const backoffMs = 10_000;

/** Archives every version soon after it is recorded, until aborted. A store that is away is tried again. */
export async function keepArchived(options: ArchivistOptions): Promise<void> {
  const { clock, signal, isOnDuty, logger } = options;
  while (!signal.aborted) {
    try {
      if (isOnDuty()) await followWhileOnDuty(options);
      await clock.sleep(lookMs, signal);
    } catch (err) {
      if (signal.aborted) return;
      logger.warn(
        { err },
        'versions could not be archived; they are kept on models and tried again',
      );
      await clock.sleep(backoffMs, signal);
    }
  }
}

async function followWhileOnDuty(options: ArchivistOptions): Promise<void> {
  const { broker, clock, signal, isOnDuty, logger } = options;
  const follower = await ModelFollower.open(broker);
  try {
    while (!signal.aborted && isOnDuty()) {
      const { registry } = follower;
      for (const place of await archiveVersions({ ...options, registry })) {
        logger.info({ ...place }, `version ${place.version} is archived`);
      }
      for (const artifact of await sweepArtifacts({ ...options, follower })) {
        logger.info({ artifact }, 'an artifact of pruned versions is deleted');
      }
      await clock.sleep(lookMs, signal);
      await follower.catchUp();
    }
  } finally {
    await follower.close();
  }
}
