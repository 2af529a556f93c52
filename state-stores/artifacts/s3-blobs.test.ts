// Against a real S3 server. Between it and the client stands, where a test says so, a link that spoils answers.

import { randomUUID } from 'node:crypto';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3 } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type S3Server, s3Environment, s3Missing, startS3 } from '../../test/support/s3-server.ts';
import { blobStoreContract } from '../testing/blob-store-contract.ts';
import { S3Blobs } from './s3-blobs.ts';
import { SealedBlobs } from './sealed-blobs.ts';

const missing = await s3Missing();
const title = missing === undefined ? 'a bucket' : `a bucket (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(title, () => {
  let server: S3Server;
  let location: string;
  const bucket = 'meanstream-test';

  beforeAll(async () => {
    for (const [name, value] of Object.entries(s3Environment)) vi.stubEnv(name, value);
    server = await startS3();
    const s3 = new S3({ endpoint: server.endpoint, forcePathStyle: true });
    await s3.createBucket({ Bucket: bucket });
    s3.destroy();
  });

  afterAll(async () => {
    await server.stop();
    vi.unstubAllEnvs();
  });

  const again = (endpoint = server.endpoint) => S3Blobs.open({ location, endpoint });
  const create = () => {
    location = `s3://${bucket}/${randomUUID()}`;
    return again();
  };
  const key = { id: '2026', bytes: new Uint8Array(32).fill(2) };

  blobStoreContract({ name: 'a bucket', create, again });
  blobStoreContract({
    name: 'a bucket, encrypted',
    create: async () => new SealedBlobs(await create(), [key]),
    again: async () => new SealedBlobs(await again(), [key]),
  });

  const bytes = (text: string) => new TextEncoder().encode(text);

  it('may be a bucket without a prefix', async () => {
    await create();
    location = `s3://${bucket}`;
    const blobs = await again();
    await blobs.put('whole/bucket', bytes('x'));
    const found: string[] = [];
    for await (const each of blobs.list('whole')) found.push(each.key);
    expect(found).toEqual(['whole/bucket']);
    await blobs.close();
  });

  it('gives every put of a ref a tag of its own, also of a value that was there before', async () => {
    const blobs = await create();
    const first = await blobs.swapRef('r', bytes('same'), undefined);
    const second = await blobs.swapRef('r', bytes('same'), first);
    expect(second).toBeDefined();
    expect(second).not.toBe(first);
    expect(await blobs.swapRef('r', bytes('same'), first)).toBeUndefined();
    await blobs.close();
  });

  describe('over a bad link', () => {
    let link: Server;
    let puts: number;
    let lists: number;

    afterEach(() => {
      link.closeAllConnections();
      link.close();
    });

    /** Lists come in pages of two. @param spoil what becomes of the nth put: its answer lost, or 409 in its place, or nothing */
    async function over(spoil: (put: number) => 'lose' | 'conflict' | 'pass'): Promise<S3Blobs> {
      puts = 0;
      lists = 0;
      link = createServer((incoming, answer) => {
        const { method, headers } = incoming;
        const isList = incoming.url!.includes('list-type=2');
        if (isList) lists += 1;
        const url = isList ? `${incoming.url}&max-keys=2` : incoming.url!;
        const fate = method === 'PUT' ? spoil(++puts) : 'pass';
        if (fate === 'conflict') {
          incoming.resume();
          answer.writeHead(409).end('<Error><Code>ConditionalRequestConflict</Code></Error>');
          return;
        }
        const onward = request(server.endpoint + url, { method, headers }, (reply) => {
          if (fate === 'lose') {
            reply.resume();
            incoming.socket.destroy();
            return;
          }
          answer.writeHead(reply.statusCode!, reply.headers);
          reply.pipe(answer);
        });
        incoming.pipe(onward);
      });
      await new Promise<void>((resolve) => link.listen(0, '127.0.0.1', resolve));
      return again(`http://127.0.0.1:${(link.address() as AddressInfo).port}`);
    }

    it('a list of many pages is whole', async () => {
      await create();
      const blobs = await over(() => 'pass');
      const keys = ['a/1', 'a/2', 'a/3', 'a/4', 'a/5'];
      for (const each of [...keys, 'b/1']) await blobs.put(each, bytes(each));
      const found: string[] = [];
      for await (const each of blobs.list('a/')) found.push(each.key);
      expect(found.sort()).toEqual(keys);
      expect(lists).toBe(3);
      await blobs.close();
    });

    it('a writer whose answer was lost has won all the same', async () => {
      const sound = await create();
      const blobs = await over((put) => (put % 2 === 1 ? 'lose' : 'pass'));
      const first = await blobs.swapRef('r', bytes('1'), undefined);
      expect(first).toBe((await sound.readRef('r'))?.tag);
      const second = await blobs.swapRef('r', bytes('2'), first);
      expect(await sound.readRef('r')).toEqual({ value: bytes('2'), tag: second });
      expect(puts).toBe(4);
      await blobs.close();
    });

    it('a conflict is asked about again, and tells no winner by itself', async () => {
      const sound = await create();
      const blobs = await over((put) => (put <= 3 ? 'conflict' : 'pass'));
      const tag = await blobs.swapRef('r', bytes('1'), undefined);
      expect(await sound.readRef('r')).toEqual({ value: bytes('1'), tag });
      expect(puts).toBe(4);
      await blobs.close();
    });

    it('conflicts without an end are a passing fault', async () => {
      const sound = await create();
      const blobs = await over(() => 'conflict');
      await expect(blobs.swapRef('r', bytes('1'), undefined)).rejects.toMatchObject({
        code: 'MEANSTREAM_RETRIABLE',
        fields: { bucket, key: 'r' },
      });
      expect(await sound.readRef('r')).toBeUndefined();
      await blobs.close();
    });
  });

  it('that is not there, or whose store is not, says what to do', async () => {
    location = 's3://nobody-made-it/x';
    const blobs = await again();
    const noBucket = { code: 'MEANSTREAM_INVALID_SETTING' };
    await expect(blobs.get('a')).rejects.toMatchObject(noBucket);
    await expect(blobs.put('a', bytes('1'))).rejects.toThrow(
      /"a" in bucket nobody-made-it at http:\/\/127.*NoSuchBucket.*Make the bucket/,
    );
    await expect(blobs.swapRef('r', bytes('1'), undefined)).rejects.toMatchObject(noBucket);
    await expect(blobs.swapRef('r', bytes('1'), '"seen"')).rejects.toMatchObject(noBucket);
    await expect(blobs.list('').next()).rejects.toMatchObject(noBucket);
    const elsewhere = await again('http://127.0.0.1:1');
    await expect(elsewhere.get('a')).rejects.toMatchObject({
      code: 'MEANSTREAM_DEPENDENCY_DOWN',
      message: expect.stringMatching(/ECONNREFUSED.*artifacts\.endpoint/),
    });
    await Promise.all([blobs.close(), elsewhere.close()]);
  });

  it('without a region or credentials names the variables to set', async () => {
    await create();
    vi.stubEnv('AWS_REGION', undefined);
    await expect((await again()).get('a')).rejects.toThrow(/Set AWS_REGION/);
    vi.stubEnv('AWS_REGION', s3Environment.AWS_REGION);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    await expect((await again()).get('a')).rejects.toThrow(/Set AWS_ACCESS_KEY_ID and/);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', s3Environment.AWS_SECRET_ACCESS_KEY);
  });
});
