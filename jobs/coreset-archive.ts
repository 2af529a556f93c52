// Coresets as artifacts: what each retrain makes of all it has seen, kept when the log has forgotten it. The ref names the newest.

import type { Coreset, Metric, OffsetRange } from '../clustering/index.ts';
import { decodeColumnMessage, encodeColumnMessage } from '../schemas/index.ts';
import type { ArtifactName, ArtifactStore } from '../state-stores/index.ts';

export interface StoredCoreset {
  readonly coreset: Coreset;
  readonly metric: Metric;
  readonly features: readonly string[];
  /** Its name in the store. */
  readonly artifact: string;
}

const attemptsMax = 5;

interface CoresetRecord extends Omit<StoredCoreset, 'artifact'> {
  readonly type: 'coreset';
}

/** Of one application: others may keep theirs in the same place. */
function refOf(application: string): string {
  return `coresets/${application.toLowerCase()}`;
}

/** The newest one. */
export async function readCoreset(
  artifacts: ArtifactStore,
  application: string,
): Promise<StoredCoreset | undefined> {
  const newest = await artifacts.readRef(refOf(application));
  return newest && storedCoreset(artifacts, newest.artifact);
}

/** One by its name. */
export async function storedCoreset(
  artifacts: ArtifactStore,
  artifact: ArtifactName,
): Promise<StoredCoreset | undefined> {
  const bytes = await artifacts.get(artifact);
  if (bytes === undefined) return undefined;
  const { coreset, metric, features } = decodeColumnMessage<CoresetRecord>(bytes);
  return { coreset, metric, features, artifact };
}

/** Becomes the newest. @returns its name in the store */
export async function keepCoreset(
  artifacts: ArtifactStore,
  application: string,
  { coreset, metric, features }: Omit<StoredCoreset, 'artifact'>,
): Promise<string> {
  const record: CoresetRecord = { type: 'coreset', coreset, metric, features };
  const artifact = await artifacts.put(encodeColumnMessage(record));
  const ref = refOf(application);
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const newest = await artifacts.readRef(ref);
    if ((await artifacts.swapRef(ref, artifact, newest?.tag)) !== undefined) break;
  }
  return artifact;
}

/** The ranges of both, sorted, neighbours made one. */
export function joinedRanges(ranges: readonly OffsetRange[]): OffsetRange[] {
  const joined: OffsetRange[] = [];
  const sorted = ranges
    .filter(({ from, to }) => to > from)
    .toSorted((a, b) => a.partition - b.partition || a.from - b.from);
  for (const { partition, from, to } of sorted) {
    const last = joined.at(-1);
    if (last?.partition === partition && last.to >= from) {
      joined[joined.length - 1] = { partition, from: last.from, to: Math.max(last.to, to) };
    } else joined.push({ partition, from, to });
  }
  return joined;
}
