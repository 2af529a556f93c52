// A real S3 server (moto, from PyPI) as a child process, and what a client of it finds in its environment.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { judgesSource, PythonVenv } from './python-venv.ts';

const venv = new PythonVenv('s3-requirements.txt');

/** Why there can be none; undefined when there can. */
export function s3Missing(): Promise<string | undefined> {
  return venv.missing();
}

export interface S3Server {
  /** http://127.0.0.1:port */
  readonly endpoint: string;
  readonly stop: () => Promise<void>;
}

export async function startS3(): Promise<S3Server> {
  const child = spawn(venv.python, [join(judgesSource, 's3_server.py')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  const printed = once(createInterface(child.stdout), 'line') as Promise<[string]>;
  const ended = exited.then(([code]) => Promise.reject(new Error(`moto ended with ${code}`)));
  const [port] = await Promise.race([printed, ended]);
  ended.catch(() => {});
  return {
    endpoint: `http://127.0.0.1:${port}`,
    stop: async () => {
      child.kill();
      await exited;
    },
  };
}

/** Nobody's credentials, and nothing of the files and the network where a client would look for others. */
export const s3Environment = {
  AWS_ACCESS_KEY_ID: 'a-test',
  AWS_SECRET_ACCESS_KEY: 'a-test',
  AWS_SESSION_TOKEN: undefined,
  AWS_PROFILE: undefined,
  AWS_REGION: 'us-east-1',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
} satisfies Record<string, string | undefined>;
