// Chooses where artifacts are kept. The only place that names what holds them.

import { ArtifactStore, FolderBlobs } from '../state-stores/index.ts';
import type { CommandContext } from './command-context.ts';

/** The caller closes it. */
export function openArtifacts({ settings }: CommandContext): ArtifactStore {
  return new ArtifactStore(new FolderBlobs(settings['artifacts.location']));
}
