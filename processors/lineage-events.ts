// What a new generation means for each cluster, as events. Ids that stay are `remapped`: the same cluster, now elsewhere. Of the
// others the retrain says where their points came from (clustering/lineage.ts); a rollback says it by the ids alone.

import type { ClusterEvent, ClusterLineage } from '../schemas/index.ts';

export type LineageEvent = Pick<ClusterEvent, 'type' | 'clusterId' | 'details'>;

/** @param lineage of each cluster of `now`, by ids of `before`; empty when nothing is known but ids */
export function lineageEvents(
  before: readonly string[],
  now: readonly string[],
  lineage: readonly ClusterLineage[] = [],
): LineageEvent[] {
  const gone = before.filter((id) => !now.includes(id));
  return [
    ...gone.map((id) => departure(id, now, lineage)),
    ...now.map((id, slot) => arrival(id, before.includes(id), lineage[slot])),
  ];
}

function departure(
  id: string,
  now: readonly string[],
  lineage: readonly ClusterLineage[],
): LineageEvent {
  const heirs = now.filter((_, slot) => lineage[slot]?.from.includes(id));
  const [otherId] = heirs;
  if (otherId === undefined) return { type: 'died', clusterId: id, details: {} };
  if (heirs.length > 1) return { type: 'died', clusterId: id, details: { splitInto: heirs } };
  return { type: 'merged', clusterId: id, details: { otherId } };
}

function arrival(id: string, wasThere: boolean, lineage: ClusterLineage | undefined): LineageEvent {
  if (wasThere) return { type: 'remapped', clusterId: id, details: {} };
  const [otherId] = lineage?.from ?? [];
  if (lineage?.fate !== 'split' || otherId === undefined) {
    return { type: 'born', clusterId: id, details: {} };
  }
  return { type: 'split', clusterId: id, details: { otherId } };
}
