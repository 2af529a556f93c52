// The jars of Apache Kafka, fetched once by Maven into .kafka/ of this checkout, and what to install when that cannot be.

import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DependencyDownError } from '../../support/index.ts';
import { packageRoot } from '../package-root.ts';

export const kafkaVersion = '4.3.1';

const javaVersionMin = 17;
const downloadMsMax = 600_000;

const remedy = [
  '  Debian, Ubuntu:  sudo apt install openjdk-17-jre-headless maven',
  '  macOS:           brew install openjdk@17 maven',
  '  with Docker:     docker compose up -d',
  '  or use yours:    KAFKA_BROKERS=host:9092 npm run kafka',
].join('\n');

export function defaultJarsDir(): string {
  return join(packageRoot(), '.kafka', `libs-${kafkaVersion}`);
}

/** The files that stand beside this one: the same folder whether built or not. */
export function besideThis(name: string): string {
  return join(dirname(fileURLToPath(import.meta.url)), name);
}

/** @returns what is missing to run Kafka from `jarsDir` and how to get it; undefined when all is there. */
export function missingTools(jarsDir: string): string | undefined {
  const java = javaMajorVersion();
  const missing: string[] = [];
  if (java === undefined) missing.push(`Java ${javaVersionMin} or later (no \`java\` on the PATH)`);
  else if (java < javaVersionMin) {
    missing.push(`Java ${javaVersionMin} or later (\`java\` is version ${java})`);
  }
  if (!existsSync(jarsDir) && !runs('mvn', ['-version'])) {
    missing.push('Maven (no `mvn` on the PATH), to fetch the jars once');
  }
  if (missing.length === 0) return undefined;
  return `Kafka ${kafkaVersion} needs ${missing.join(' and ')}. Install what is missing:\n${remedy}`;
}

/** Fetches the jars unless they are there. Safe beside another process that does the same. */
export async function ensureJars(jarsDir: string, onDownload: () => void): Promise<void> {
  if (existsSync(jarsDir)) return;
  onDownload();
  const arriving = `${jarsDir}-${process.pid}`;
  mkdirSync(dirname(jarsDir), { recursive: true });
  try {
    await promisify(execFile)(
      'mvn',
      [
        ...['-B', '-q', '-f', besideThis('pom.xml'), `-Dkafka.version=${kafkaVersion}`],
        ...['dependency:copy-dependencies', `-DoutputDirectory=${arriving}`],
      ],
      { timeout: downloadMsMax },
    );
    if (!existsSync(jarsDir)) renameSync(arriving, jarsDir);
  } catch (cause) {
    const said = (cause as { stdout?: string }).stdout?.trim().split('\n').slice(-5).join('\n');
    throw new DependencyDownError(
      `Maven could not fetch Kafka ${kafkaVersion}; check the network, then try again.\n${said ?? ''}`,
      { cause },
    );
  } finally {
    rmSync(arriving, { recursive: true, force: true });
  }
}

function javaMajorVersion(): number | undefined {
  const { status, stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  const version = /version "(?:1\.)?(\d+)/.exec(stderr ?? '')?.[1];
  return status === 0 && version !== undefined ? Number(version) : undefined;
}

function runs(command: string, args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
