import { createRequire } from 'node:module';
import { expect, test, vi } from 'vitest';
import { loadSettings } from '../config/index.ts';
import { s3Environment } from '../test/support/s3-server.ts';
import { openContext } from './command-context.ts';
import { openArtifacts } from './open-artifacts.ts';

async function open(...flags: string[]) {
  const { values } = loadSettings({ environment: {}, flags });
  return openArtifacts({ settings: values });
}

const sdkIsLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some((path) => /@aws-sdk.client-s3/.test(path));

test('artifacts are in the folder or the bucket of the setting; only a bucket loads the SDK', async () => {
  expect((await open('artifacts.location=some/folder')).location).toBe('some/folder');
  expect(sdkIsLoaded()).toBe(false);
  for (const [name, value] of Object.entries(s3Environment)) vi.stubEnv(name, value);
  const artifacts = await open(
    'artifacts.location=s3://a-bucket/some/prefix',
    'artifacts.endpoint=http://127.0.0.1:1',
  );
  expect(sdkIsLoaded()).toBe(true);
  expect(artifacts.location).toBe('s3://a-bucket/some/prefix');
  await expect(artifacts.readRef('r')).rejects.toThrow(
    /bucket a-bucket at http:\/\/127\.0\.0\.1:1/,
  );
  await artifacts.close();
  vi.unstubAllEnvs();
});

test('an address of something else is a wrong setting, not a folder', async () => {
  for (const wrong of [
    's3://',
    's3://B/x',
    's3:/bucket',
    'S3://bucket',
    'gs://bucket',
    's3://b c',
  ]) {
    await expect(open(`artifacts.location=${wrong}`), wrong).rejects.toMatchObject({
      code: 'MEANSTREAM_INVALID_SETTING',
    });
  }
});

test('lie in the data folder of a command that is given one, unless a setting says otherwise', async () => {
  const of = (set: string[]) =>
    openArtifacts(openContext({ command: 'verify', flags: { dataDir: 'some/dev', set } }));
  expect((await of([])).location).toBe('some/dev/artifacts');
  expect((await of(['artifacts.location=else/where'])).location).toBe('else/where');
});
