// Blobs encrypted before they leave the process: AES-256-GCM, a nonce of its own for each, over any holder of blobs.
//
//   "MSB1" · length of the key's id (1 byte) · id · nonce (12) · ciphertext · tag (16)
//
// Header and name are authenticated with the content: a blob moved to another name, or given another key's id, does not open. Several
// keys may be given; the first writes, all read. So a key is rotated by putting a new one in front, and retired when nothing names it any
// more. What was stored unencrypted before is read as it is.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { ArtifactCorruptedError, InvalidSettingError } from '../../support/index.ts';
import type { BlobInfo, BlobStore, Ref } from './blob-store.ts';

export interface BlobKey {
  /** Letters, digits, dots, dashes, underscores; at most 255. It stands in every blob, readable. */
  readonly id: string;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
}

const magic = new TextEncoder().encode('MSB1');
const nonceBytes = 12;
const tagBytes = 16;

export class SealedBlobs implements BlobStore {
  readonly #blobs: BlobStore;
  readonly #keys: readonly BlobKey[];

  /** The blobs are closed with it. @param keys the newest first; at least one */
  constructor(blobs: BlobStore, keys: readonly BlobKey[]) {
    this.#blobs = blobs;
    this.#keys = keys;
    const wrong = keys.find(({ id, bytes }) => !/^[\w.-]{1,255}$/.test(id) || bytes.length !== 32);
    if (keys.length > 0 && wrong === undefined) return;
    throw new InvalidSettingError(
      `A key of artifacts is an id and 32 bytes; ${wrong === undefined ? 'there is none' : `"${wrong.id}" has ${wrong.bytes.length}`}.`,
    );
  }

  get location(): string {
    return this.#blobs.location;
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    return this.#blobs.put(key, this.#seal(`blob:${key}`, bytes));
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const sealed = await this.#blobs.get(key);
    return sealed && this.#open(`blob:${key}`, sealed);
  }

  delete(key: string): Promise<void> {
    return this.#blobs.delete(key);
  }

  /** Sizes are those of what is stored. */
  list(prefix: string): AsyncIterable<BlobInfo> {
    return this.#blobs.list(prefix);
  }

  async readRef(name: string): Promise<Ref | undefined> {
    const ref = await this.#blobs.readRef(name);
    return ref && { value: this.#open(`ref:${name}`, ref.value), tag: ref.tag };
  }

  swapRef(
    name: string,
    value: Uint8Array,
    expectedTag: string | undefined,
  ): Promise<string | undefined> {
    return this.#blobs.swapRef(name, this.#seal(`ref:${name}`, value), expectedTag);
  }

  deleteRef(name: string): Promise<void> {
    return this.#blobs.deleteRef(name);
  }

  close(): Promise<void> {
    return this.#blobs.close();
  }

  #seal(name: string, bytes: Uint8Array): Uint8Array {
    const { id, bytes: key } = this.#keys[0]!;
    const idBytes = Buffer.from(id);
    const header = Buffer.concat([magic, Uint8Array.of(idBytes.length), idBytes]);
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.concat([header, Buffer.from(name)]));
    const parts = [header, nonce, cipher.update(bytes), cipher.final()];
    return new Uint8Array(Buffer.concat([...parts, cipher.getAuthTag()]));
  }

  #open(name: string, sealed: Uint8Array): Uint8Array {
    if (!magic.every((byte, i) => sealed[i] === byte)) return sealed;
    const idEnd = magic.length + 1 + sealed[magic.length]!;
    const header = sealed.subarray(0, idEnd);
    const id = new TextDecoder().decode(header.subarray(magic.length + 1));
    const key = this.#keys.find((each) => each.id === id);
    if (key === undefined) throw unopened(name, `its key "${id}" is not among those given`);
    const bodyStart = idEnd + nonceBytes;
    const bodyEnd = sealed.length - tagBytes;
    if (bodyEnd < bodyStart) throw unopened(name, 'it is cut off');
    const decipher = createDecipheriv('aes-256-gcm', key.bytes, sealed.subarray(idEnd, bodyStart));
    decipher.setAAD(Buffer.concat([header, Buffer.from(name)]));
    decipher.setAuthTag(sealed.subarray(bodyEnd));
    try {
      const opened = [decipher.update(sealed.subarray(bodyStart, bodyEnd)), decipher.final()];
      return new Uint8Array(Buffer.concat(opened));
    } catch (cause) {
      throw unopened(name, 'it was changed, or the key is another', cause);
    }
  }
}

function unopened(name: string, why: string, cause?: unknown): ArtifactCorruptedError {
  const message = `The ${name.replace(':', ' ')} cannot be opened: ${why}. Give the key it was written with, or restore it.`;
  return new ArtifactCorruptedError(message, { name, cause });
}
