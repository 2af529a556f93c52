// Chooses where artifacts are kept, and with which keys. The only place that names what holds them.

import {
  ArtifactStore,
  type BlobKey,
  type BlobStore,
  FolderBlobs,
  S3Blobs,
  SealedBlobs,
} from '../state-stores/index.ts';
import { InvalidSettingError } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';

/**
 * The caller closes it.
 * @throws InvalidSettingError for keys that are none
 */
export async function openArtifacts({
  settings,
}: Pick<CommandContext, 'settings'>): Promise<ArtifactStore> {
  const keys = keysIn(settings['artifacts.keys']);
  const blobs = await openBlobs(settings['artifacts.location'], settings['artifacts.endpoint']);
  return new ArtifactStore(keys.length === 0 ? blobs : new SealedBlobs(blobs, keys));
}

async function openBlobs(location: string, endpoint: string): Promise<BlobStore> {
  return location.startsWith('s3://')
    ? S3Blobs.open({ location, endpoint })
    : new FolderBlobs(location);
}

/** "2026=<base64 of 32 bytes>, 2025=…": the newest first. */
function keysIn(text: string): BlobKey[] {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  return entries.map((entry, i) => {
    const at = entry.indexOf('=');
    if (at > 0) {
      return { id: entry.slice(0, at), bytes: Buffer.from(entry.slice(at + 1), 'base64') };
    }
    throw new InvalidSettingError(`artifacts.keys: key ${i + 1} is not of the form id=base64.`);
  });
}
