// The independent judge: what a topic holds, read by Kafka's own Java console consumer (read_committed), and points
// written by its console producer. A reader and a writer that share a mistake agree; these two share nothing with ours.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DumpedRecord } from './dump-topic.ts';

export interface JudgedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly headers: readonly { readonly key: string; readonly value: string }[];
  readonly key: string;
  readonly value: string;
}

const javaFlags = [
  ...['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  // The console consumer logs the end of its patience as an error, among the records.
  '-Dlog4j2.level=OFF',
];

const printed = ['print.partition', 'print.offset', 'print.headers', 'print.key'];
/** Between headers: no character of theirs. */
const separator = '\u001f';

/** Everything committed in the topic, in the order of each partition. */
export async function readWithJava(
  libsDir: string,
  bootstrapServers: string,
  topic: string,
  idleMs = 4_000,
): Promise<JudgedRecord[]> {
  const properties = [...printed.map((name) => `${name}=true`), `headers.separator=${separator}`];
  const records: JudgedRecord[] = [];
  const args = consumerArgs(bootstrapServers, topic, idleMs, properties);
  await eachLineOfJava(libsDir, args, (line) => records.push(recordIn(line)));
  return records;
}

/** Hands the value of each committed record on, in the order of each partition: for topics too large to be kept. */
export async function eachJudged(
  { libsDir, bootstrapServers }: { readonly libsDir: string; readonly bootstrapServers: string },
  { topic, idleMs }: { readonly topic: string; readonly idleMs: number },
  each: (value: string) => void,
): Promise<void> {
  await eachLineOfJava(libsDir, consumerArgs(bootstrapServers, topic, idleMs), each);
}

function consumerArgs(
  bootstrapServers: string,
  topic: string,
  idleMs: number,
  properties: readonly string[] = [],
): string[] {
  return [
    'org.apache.kafka.tools.consumer.ConsoleConsumer',
    ...['--bootstrap-server', bootstrapServers],
    ...['--topic', topic, '--from-beginning'],
    ...['--isolation-level', 'read_committed'],
    ...['--timeout-ms', String(idleMs)],
    ...properties.flatMap((property) => ['--formatter-property', property]),
  ];
}

/** By way of a file: it flushes after each record, which through a pipe takes most of a long reading. */
async function eachLineOfJava(
  libsDir: string,
  args: readonly string[],
  each: (line: string) => void,
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'java-console-'));
  const file = await open(join(dir, 'stdout'), 'w+');
  try {
    const child = spawn('java', [...javaFlags, '-cp', `${libsDir}/*`, ...args], {
      stdio: ['ignore', file.fd, 'pipe'],
    });
    let stderr = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await once(child, 'close');
    if (!/Processed a total of \d+ messages/.test(stderr)) {
      throw new Error(`the console consumer failed:\n${stderr}`);
    }
    let rest = '';
    for await (const chunk of createReadStream(join(dir, 'stdout'), 'utf8')) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) each(line);
    }
  } finally {
    await file.close();
    await rm(dir, { recursive: true, force: true });
  }
}

function recordIn(line: string): JudgedRecord {
  const match = /^Partition:(\d+)\tOffset:(\d+)\t(.*?)\t(.*?)\t(.*)$/.exec(line);
  if (match === null) throw new Error(`unexpected line of the console consumer: ${line}`);
  return {
    partition: Number(match[1]),
    offset: Number(match[2]),
    headers: headersIn(match[3]!),
    key: match[4]!,
    value: match[5]!,
  };
}

function headersIn(text: string): JudgedRecord['headers'] {
  if (text === 'NO_HEADERS') return [];
  return text.split(separator).map((header) => {
    const colon = header.indexOf(':');
    return { key: header.slice(0, colon), value: header.slice(colon + 1) };
  });
}

/** As if our own client had read them, for the judges that count. */
export function asDumped(records: readonly JudgedRecord[]): DumpedRecord[] {
  const bytes = (text: string) => new TextEncoder().encode(text);
  return records.map(({ partition, offset, headers, key, value }) => ({
    partition,
    offset,
    timestamp: -1,
    key: bytes(key),
    value: bytes(value),
    headers: headers.map((header) => ({ key: header.key, value: bytes(header.value) })),
  }));
}

/** Writes `key<tab>value` lines with the Java console producer. */
export async function writeWithJava(
  libsDir: string,
  bootstrapServers: string,
  topic: string,
  lines: readonly string[],
): Promise<void> {
  const child = spawn('java', [
    ...javaFlags,
    '-cp',
    `${libsDir}/*`,
    'org.apache.kafka.tools.ConsoleProducer',
    ...['--bootstrap-server', bootstrapServers],
    ...['--topic', topic],
    ...['--reader-property', 'parse.key=true'],
  ]);
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.end(`${lines.join('\n')}\n`);
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the console producer failed:\n${stderr}`);
}
