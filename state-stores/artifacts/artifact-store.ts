// Artifacts: bytes under the SHA-256 of what they say (models, coresets), and refs that name the newest of something.
//
//   const artifact = await artifacts.put(bytes);                 "sha256/9f86d0…"
//   const ref = await artifacts.readRef('coresets/default');     { artifact, tag } or undefined
//   await artifacts.swapRef('coresets/default', artifact, ref?.tag);
//
// The same bytes are one artifact, whoever puts them and however often. What comes out is what went in, or an error: each read
// is checked against the name.

import { createHash } from 'node:crypto';
import { ArtifactCorruptedError } from '../../support/index.ts';
import type { BlobInfo, BlobStore } from './blob-store.ts';

/** "sha256/" and 64 hexadecimal digits. */
export type ArtifactName = `sha256/${string}`;

export interface ArtifactRef {
  readonly artifact: ArtifactName;
  readonly tag: string;
}

export interface ArtifactInfo extends BlobInfo {
  readonly key: ArtifactName;
}

export class ArtifactStore {
  readonly #blobs: BlobStore;

  /** The blobs are closed with it. */
  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  get location(): string {
    return this.#blobs.location;
  }

  async put(bytes: Uint8Array): Promise<ArtifactName> {
    const name = artifactName(bytes);
    await this.#blobs.put(name, bytes);
    return name;
  }

  /** @throws ArtifactCorruptedError when what lies there is something else */
  async get(name: ArtifactName): Promise<Uint8Array | undefined> {
    const bytes = await this.#blobs.get(name);
    if (bytes === undefined || artifactName(bytes) === name) return bytes;
    throw new ArtifactCorruptedError(
      `Artifact ${name} in ${this.location} holds other bytes: its SHA-256 is ${artifactName(bytes).slice(7)}. ` +
        'Restore it from a copy, or delete it and publish the version again.',
      { artifact: name },
    );
  }

  delete(name: ArtifactName): Promise<void> {
    return this.#blobs.delete(name);
  }

  list(): AsyncIterable<ArtifactInfo> {
    return this.#blobs.list('sha256/') as AsyncIterable<ArtifactInfo>;
  }

  /** @throws ArtifactCorruptedError when its value names no artifact */
  async readRef(name: string): Promise<ArtifactRef | undefined> {
    const ref = await this.#blobs.readRef(name);
    if (ref === undefined) return undefined;
    const artifact = new TextDecoder().decode(ref.value);
    if (isArtifactName(artifact)) return { artifact, tag: ref.tag };
    throw new ArtifactCorruptedError(`Ref ${name} in ${this.location} names no artifact.`, {
      name,
    });
  }

  /** @returns the new tag; undefined, with nothing changed, when the ref no longer has the expected one */
  swapRef(
    name: string,
    artifact: ArtifactName,
    expectedTag: string | undefined,
  ): Promise<string | undefined> {
    return this.#blobs.swapRef(name, new TextEncoder().encode(artifact), expectedTag);
  }

  deleteRef(name: string): Promise<void> {
    return this.#blobs.deleteRef(name);
  }

  close(): Promise<void> {
    return this.#blobs.close();
  }
}

export function artifactName(bytes: Uint8Array): ArtifactName {
  return `sha256/${createHash('sha256').update(bytes).digest('hex')}`;
}

export function isArtifactName(text: string): text is ArtifactName {
  return /^sha256\/[0-9a-f]{64}$/.test(text);
}
