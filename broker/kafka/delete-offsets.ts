// Forgets a group and with it its committed positions: DeleteGroups, which Kafka refuses by itself while anybody is in it.

import { FatalError, RefusedError, RetriableError } from '../../support/index.ts';
import type { Connections } from './connections.ts';
import {
  check,
  coordinatorMoved,
  isForbidden,
  isRefusal,
  KafkaRefusal,
  refusalType,
} from './kafka-errors.ts';
import { retrying } from './retry.ts';

const askMsMax = 20_000;

/** @throws RefusedError while the group has members. */
export async function deleteOffsets(connections: Connections, group: string): Promise<void> {
  const { clock } = connections;
  const deadlineMs = clock.monotonicMs() + askMsMax;
  const again = (error: unknown) => {
    connections.forgetCoordinator('group', group);
    if (error instanceof KafkaRefusal) return isRefusal(error, coordinatorMoved);
    return !connections.closed;
  };
  try {
    await retrying({ clock, deadlineMs, again }, async () => {
      const node = await connections.coordinator('group', group, 'requests');
      const { results } = await node.call('DeleteGroups', [group]);
      check(`DeleteGroups of ${group}`, results[0]?.errorCode ?? 0);
    });
  } catch (cause) {
    if (refusalType(cause) !== 'GROUP_ID_NOT_FOUND') throw errorOf(group, cause);
  }
}

function errorOf(group: string, cause: unknown): Error {
  if (refusalType(cause) === 'NON_EMPTY_GROUP') {
    return new RefusedError(
      `The offsets of group ${group} are not deleted while it has live members; stop them first.`,
      { group, cause },
    );
  }
  if (isForbidden(cause)) {
    return new FatalError(`The offsets of group ${group} may not be deleted; grant Delete.`, {
      group,
      cause,
    });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RetriableError(`The offsets of group ${group} were not deleted: ${reason}.`, {
    group,
    cause,
  });
}
