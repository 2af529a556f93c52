// The ids of a retrained candidate, as the owner adopts them. While the retrain ran, the online model may have minted ids of
// its own: the same numbers then name two different clusters, and an id names one cluster for ever. So an id of the candidate
// stays when the cluster it names was there already when the retrain began, or when nobody has had the number yet; every other
// gets a number nobody has had.

import { generationOf, type Model, parseVersion } from '../schemas/index.ts';
import type { FoldState, Membership } from './fold-state.ts';

type Owner = Pick<FoldState, 'generation' | 'clusterIds' | 'bornPatches' | 'nextClusterNumber'>;

export function adoptedIds(candidate: Model, owner: Owner): Membership {
  const { clusterIds, offsets } = candidate;
  let next = Math.max(candidate.nextClusterNumber, owner.nextClusterNumber);
  const stays = (id: string) => {
    if (Number(id.slice(1)) >= owner.nextClusterNumber) return true;
    const slot = owner.clusterIds.indexOf(id);
    return slot >= 0 && owner.bornPatches[slot]! <= patchOfParent(candidate, owner);
  };
  const adopted = clusterIds.map((id) => (stays(id) ? id : `c${next++}`));
  return { clusterIds: adopted, nextClusterNumber: next, offsets };
}

/** How far the generation was when the retrain began; −1 when the retrain does not come from it. */
function patchOfParent({ parent }: Model, { generation }: Owner): number {
  if (parent === null || generationOf(parent) !== generation?.name) return -1;
  return parseVersion(parent).patch;
}
