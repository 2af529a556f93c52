// The ids of a retrained candidate, as the owner adopts them. While the retrain ran, the online model may have minted ids of
// its own: the same numbers then name two different clusters, and an id names one cluster for ever. So an id of the candidate
// stays when the cluster it names was there already when the retrain began, or when nobody has had the number yet; every other
// gets a number nobody has had.

import { generationOf, type Model, parseVersion } from '../schemas/index.ts';
import type { FoldState, Membership } from './fold-state.ts';

type Owner = Pick<
  FoldState,
  'generation' | 'clusterIds' | 'bornPatches' | 'nextClusterNumber' | 'decided'
>;

export function adoptedIds(candidate: Model, owner: Owner): Membership {
  const { clusterIds, offsets } = candidate;
  let next = Math.max(candidate.nextClusterNumber, owner.nextClusterNumber);
  const firstOfParent = idsAtBirthOfParent(candidate, owner);
  const stays = (id: string) => {
    const number = Number(id.slice(1));
    if (number >= owner.nextClusterNumber || number < firstOfParent) return true;
    const slot = owner.clusterIds.indexOf(id);
    return slot >= 0 && owner.bornPatches[slot]! <= patchOfParent(candidate, owner);
  };
  const adopted = clusterIds.map((id) => (stays(id) ? id : `c${next++}`));
  return { clusterIds: adopted, nextClusterNumber: next, offsets };
}

/** An older version's clusters are who they were; what has been minted since stays taken. */
export function revivedIds(
  { clusterIds, nextClusterNumber, offsets }: Model,
  owner: Pick<Owner, 'nextClusterNumber'>,
): Membership {
  const next = Math.max(nextClusterNumber, owner.nextClusterNumber);
  return { clusterIds, nextClusterNumber: next, offsets };
}

/** When the retrain comes from another generation: ids below this number are older than that, and so than the retrain. */
function idsAtBirthOfParent({ parent }: Model, { decided, generation }: Owner): number {
  if (parent === null || generationOf(parent) === generation?.name) return 0;
  return decided.births[generationOf(parent)] ?? 0;
}

/** How far the generation was when the retrain began; −1 when the retrain does not come from it. */
function patchOfParent({ parent }: Model, { generation }: Owner): number {
  if (parent === null || generationOf(parent) !== generation?.name) return -1;
  return parseVersion(parent).patch;
}
