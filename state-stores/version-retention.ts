// Which versions have to stay, whatever somebody wants to delete: those in use, what a rollback takes up, and the lineage of all that
// stays. Pure, so that who plans a deletion and the owner who decides about it go by the same.
//
//   in use    the generation of the champion, what challenger and shadow point at, what the champion has replaced
//   lineage   of an epoch the birth of its generation; of a rollback the version that it took up: from these `verify` makes them again.
//             A retrain brings its own beginning along, as artifacts

import { generationOf, type Model } from '../schemas/index.ts';

export type VersionFacts = Pick<Model, 'version' | 'parent' | 'origin'>;

export interface VersionHolders {
  /** The champion. */
  readonly current: string | undefined;
  /** By the name of each: where other aliases point. */
  readonly aliases: Readonly<Record<string, string | null | undefined>>;
  /** What the champion has replaced. */
  readonly replaced: string | null;
  /** Every version with a record of its own. */
  readonly versions: readonly VersionFacts[];
}

/** Those of `unwanted` that have to stay → why. */
export function neededVersions(
  { current, aliases, replaced, versions }: VersionHolders,
  unwanted: ReadonlySet<string>,
): Map<string, string> {
  const facts = new Map(versions.map((each) => [each.version, each]));
  const why = new Map<string, string>();
  const need = (version: string, reason: string): void => {
    if (!unwanted.has(version) || why.has(version)) return;
    why.set(version, reason);
    needLineage(version);
  };
  const needLineage = (version: string): void => {
    const birth = `${generationOf(version)}.0`;
    if (birth !== version) need(birth, `${version} began with it`);
    const { origin, parent } = facts.get(birth) ?? {};
    if (origin === 'rollback' && parent) need(parent, `${birth} took it up`);
  };
  if (current !== undefined) {
    const generation = generationOf(current);
    for (const { version } of versions) {
      if (generationOf(version) === generation) need(version, 'of the generation in use');
    }
    needLineage(current);
  }
  for (const [alias, version] of Object.entries(aliases)) {
    if (version) need(version, `${alias} points at it`);
  }
  if (replaced !== null) need(replaced, 'a rollback goes back to it');
  for (const { version } of versions) if (!unwanted.has(version)) needLineage(version);
  return why;
}
