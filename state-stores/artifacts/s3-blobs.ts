// Blobs in a bucket of S3, or of a store that speaks its protocol: `<prefix>/blobs/<key>`, and `<prefix>/refs/<name>`.
//
// A ref is an object that is put on a condition, which is the compare-and-swap: `If-None-Match: *` makes it, `If-Match` with the ETag
// that was read (its tag) replaces it. An ETag is made of the content, so every put of a ref begins with an id of its own: no two puts
// have one tag, and a writer whose answer was lost sees in the object that it has won.
//
// Credentials and region are what the SDK finds by its own chain (environment, profile, role of the machine). It repeats what may pass by itself.

import { randomUUID } from 'node:crypto';
import type { S3 } from '@aws-sdk/client-s3';
import {
  assert,
  DependencyDownError,
  InvalidSettingError,
  type MeanstreamError,
  RetriableError,
} from '../../support/index.ts';
import { type BlobInfo, type BlobStore, isBlobKey, type Ref } from './blob-store.ts';

export interface S3BlobsOptions {
  /** s3://bucket or s3://bucket/prefix */
  readonly location: string;
  /** Of a store that is not AWS's: http://minio:9000. Its buckets are addressed by path. */
  readonly endpoint?: string | undefined;
}

const connectMsMax = 5_000;
/** Without a byte from the store; the SDK then asks again. */
const silenceMsMax = 30_000;
/** A store says 409 while another put of the same ref is under way, and decides when asked again. */
const conflictsMax = 20;
const idLength = randomUUID().length;

export class S3Blobs implements BlobStore {
  readonly location: string;
  readonly #s3: S3;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #store: string;

  /** The SDK is loaded here, so that who keeps artifacts in a folder does not wait for it. */
  static async open(options: S3BlobsOptions): Promise<S3Blobs> {
    const { S3 } = await import('@aws-sdk/client-s3');
    const { endpoint } = options;
    const s3 = new S3({
      ...(endpoint ? { endpoint, forcePathStyle: true } : {}),
      requestHandler: { connectionTimeout: connectMsMax, socketTimeout: silenceMsMax },
    });
    return new S3Blobs(s3, options);
  }

  private constructor(s3: S3, { location, endpoint }: S3BlobsOptions) {
    const [, bucket, prefix] = /^s3:\/\/([^/]+)\/?(.*?)\/?$/.exec(location) ?? [];
    assert(bucket !== undefined && prefix !== undefined, `"${location}" is no address of a bucket`);
    this.location = location;
    this.#s3 = s3;
    this.#bucket = bucket;
    this.#prefix = prefix === '' ? '' : `${prefix}/`;
    this.#store = endpoint || 'AWS';
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    await this.#s3
      .putObject({ ...this.#at('blobs', key), Body: bytes })
      .catch((error) => this.#fail('put', key, error));
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#read('blobs', key))?.bytes;
  }

  async delete(key: string): Promise<void> {
    await this.#remove('blobs', key);
  }

  async *list(prefix: string): AsyncGenerator<BlobInfo> {
    const root = `${this.#prefix}blobs/`;
    const asked = { Bucket: this.#bucket, Prefix: root + prefix };
    let next: string | undefined;
    do {
      const page = await this.#s3
        .listObjectsV2(next === undefined ? asked : { ...asked, ContinuationToken: next })
        .catch((error) => this.#fail('list', prefix, error));
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        const key = Key!.slice(root.length);
        yield { key, size: Size!, modifiedAtMs: LastModified!.getTime() };
      }
      next = page.NextContinuationToken;
    } while (next !== undefined);
  }

  async readRef(name: string): Promise<Ref | undefined> {
    const object = await this.#read('refs', name);
    return object && { value: object.bytes.subarray(idLength), tag: object.tag };
  }

  /** A ref that was set and at once replaced by somebody else may be reported as not set: whoever reads it again sees the same. */
  async swapRef(
    name: string,
    value: Uint8Array,
    expectedTag: string | undefined,
  ): Promise<string | undefined> {
    const id = randomUUID();
    const condition = expectedTag === undefined ? { IfNoneMatch: '*' } : { IfMatch: expectedTag };
    const put = {
      ...this.#at('refs', name),
      ...condition,
      Body: Buffer.concat([Buffer.from(id), value]),
    };
    for (let conflicts = 0; ; conflicts += 1) {
      try {
        return (await this.#s3.putObject(put)).ETag!;
      } catch (error) {
        const status = statusOf(error);
        if (status === 412 || nameOf(error) === 'NoSuchKey') return this.#tagOf(name, id);
        if (status !== 409 || conflicts === conflictsMax) this.#fail('set ref', name, error);
      }
    }
  }

  async deleteRef(name: string): Promise<void> {
    await this.#remove('refs', name);
  }

  async close(): Promise<void> {
    this.#s3.destroy();
  }

  /** @returns the ref's tag when it is the put with this id that made it: the condition then failed on a repetition of that put */
  async #tagOf(name: string, id: string): Promise<string | undefined> {
    const object = await this.#read('refs', name);
    if (object === undefined) return undefined;
    const written = Buffer.from(object.bytes.subarray(0, idLength)).toString();
    return written === id ? object.tag : undefined;
  }

  async #read(kind: 'blobs' | 'refs', key: string) {
    try {
      const { Body, ETag } = await this.#s3.getObject(this.#at(kind, key));
      return { bytes: await Body!.transformToByteArray(), tag: ETag! };
    } catch (error) {
      if (nameOf(error) === 'NoSuchKey') return undefined;
      return this.#fail('get', key, error);
    }
  }

  async #remove(kind: 'blobs' | 'refs', key: string): Promise<void> {
    await this.#s3
      .deleteObject(this.#at(kind, key))
      .catch((error) => this.#fail('delete', key, error));
  }

  #at(kind: 'blobs' | 'refs', key: string): { Bucket: string; Key: string } {
    assert(isBlobKey(key), `"${key}" is no key of a blob`);
    return { Bucket: this.#bucket, Key: `${this.#prefix}${kind}/${key}` };
  }

  #fail(act: string, key: string, cause: unknown): never {
    const where = `bucket ${this.#bucket} at ${this.#store}`;
    throw s3Fault(`Could not ${act} "${key}" in ${where}: ${nameOf(cause)}`, cause, {
      bucket: this.#bucket,
      endpoint: this.#store,
      key,
    });
  }
}

const remedies: Readonly<Record<string, string>> = {
  NoSuchBucket: 'Make the bucket, or name another in artifacts.location.',
  AccessDenied:
    'Allow these credentials s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there.',
  CredentialsProviderError:
    'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role.',
};

function s3Fault(what: string, cause: unknown, fields: object): MeanstreamError {
  const text = cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : '';
  const context = { cause, ...fields };
  const status = statusOf(cause);
  if (status !== undefined && (status >= 500 || [408, 409, 429].includes(status))) {
    return new RetriableError(`${what}${text}; nothing is lost, try again.`, context);
  }
  const remedy = remedies[nameOf(cause)];
  if (status !== undefined || remedy !== undefined) {
    const otherwise =
      'Look at artifacts.location, artifacts.endpoint, AWS_REGION and the credentials.';
    return new InvalidSettingError(`${what}${text}. ${remedy ?? otherwise}`, context);
  }
  if (text.includes('Region is missing')) {
    return new InvalidSettingError(`${what}${text}. Set AWS_REGION.`, context);
  }
  const message = `${what}${text}. Look whether it answers from here, and at artifacts.endpoint.`;
  return new DependencyDownError(message, context);
}

/** Of the store's answer; undefined when there was none. */
function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** "NoSuchKey", or the code of a failed connection. */
function nameOf(error: unknown): string {
  const { name, code } = error as { name?: string; code?: string };
  return code ?? name ?? 'Error';
}
