// Clients that are not ours, on both ends: points from Kafka's Java console producer and from kcat come out on
// `assignments`, and both read them there with read_committed.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Assignment, topics } from '../schemas/index.ts';
import { type JudgedRecord, readWithJava, writeWithJava } from './support/java-console.ts';
import { ownKafkaMissing } from './support/kafka-cluster.ts';
import { KafkaDeployment } from './support/kafka-deployment.ts';
import { kcatMissing, readWithKcat, writeWithKcat } from './support/kcat.ts';

/** Three groups far apart, so that anybody can say what the answer is. */
const centres = [
  [0, 0],
  [100, 0],
  [0, 100],
] as const;
const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const rows = 300;

const missing = ownKafkaMissing();
const withKcat = (name: string) => (kcatMissing ? `${name} (skipped: ${kcatMissing})` : name);

describe.skipIf(missing !== undefined)(
  missing ? `clients of others (skipped: ${missing})` : 'clients of others',
  () => {
    let deployment: KafkaDeployment;
    let servers: string;
    let readByJava: JudgedRecord[];

    beforeAll(async () => {
      deployment = await KafkaDeployment.start({
        'model.k': centres.length,
        'bootstrap.rows': rows,
        'bootstrap.wait.ms': 2_000,
      });
      const { libsDir, bootstrapServers } = deployment.kafka;
      servers = bootstrapServers;
      await deployment.processor('one').url();
      await writeWithJava(libsDir, servers, topics.points, lines('java', '\t'));
      if (kcatMissing === undefined) await writeAllWithKcat();
      await deployment.drained();
      readByJava = await readWithJava(libsDir, servers, topics.assignments);
    });

    afterAll(() => deployment?.close());

    async function writeAllWithKcat(): Promise<void> {
      for (const codec of codecs) {
        const flags = ['-K:', '-z', codec];
        await writeWithKcat(servers, topics.points, lines(codec, ':'), flags);
      }
      await writeWithKcat(servers, topics.points, ['bad:{"vector":[1,'], ['-K:']);
      await writeWithKcat(servers, topics.points, ['{"vector":[100,1]}']);
    }

    it('gives each point of the Java console producer one assignment, which its consumer reads', () => {
      expectAll(readByJava, 'java');
    });

    it.skipIf(kcatMissing)(withKcat('takes points from kcat in every compression'), () => {
      for (const codec of codecs) expectAll(readByJava, codec);
    });

    it.skipIf(kcatMissing)(withKcat('shows kcat what it shows the Java consumer'), async () => {
      const readByKcat = await readWithKcat(servers, topics.assignments);
      expect(new Set(readByKcat.map(placed))).toEqual(new Set(readByJava.map(placed)));
      expect(readByKcat).toHaveLength(readByJava.length);
      expect(readByKcat).toHaveLength(rows * (1 + codecs.length) + 1);
    });

    it.skipIf(kcatMissing)(withKcat('assigns a point without a key'), () => {
      const keyless = readByJava.map(assignmentOf).filter(({ key }) => key === null);
      expect(keyless).toHaveLength(1);
      const neighbours = readByJava.map(assignmentOf).filter(({ key }) => key === 'java-1');
      expect(keyless[0]!.clusterId).toBe(neighbours[0]!.clusterId);
    });

    it.skipIf(kcatMissing)(withKcat('gives kcat its bad record back with the reason'), async () => {
      const dead = await readWithKcat(servers, topics.deadLetters);
      expect(dead).toHaveLength(1);
      expect(dead[0]).toMatchObject({ key: 'bad', value: '{"vector":[1,' });
      const names = dead[0]!.headers.map(({ key }) => key);
      expect(names).toContain('__streams.errors.message');
      expect(names).toContain('meanstream.reason');
    });
  },
);

/** `name-0`, `name-1`, … in turn from each group. */
function lines(name: string, separator: string): string[] {
  return Array.from({ length: rows }, (_, i) => {
    const [x, y] = centres[i % centres.length]!;
    const vector = [x + (i % 7) / 10, y + (i % 5) / 10];
    return `${name}-${i}${separator}${JSON.stringify({ vector })}`;
  });
}

/** Each once, and each group in a cluster of its own. */
function expectAll(records: readonly JudgedRecord[], name: string): void {
  const mine = records.filter(({ key }) => key.startsWith(`${name}-`));
  const keys = mine.map(({ key }) => key).sort();
  expect(keys).toEqual(Array.from({ length: rows }, (_, i) => `${name}-${i}`).sort());
  const clusters = new Map(mine.map((it) => [it.key, assignmentOf(it)]));
  for (let i = 0; i < rows; i += 1) {
    const { key, clusterId, distance } = clusters.get(`${name}-${i}`)!;
    expect(key).toBe(`${name}-${i}`);
    expect(clusterId).toBe(clusters.get(`${name}-${i % centres.length}`)!.clusterId);
    expect(distance).toBeLessThan(1);
  }
  const found = centres.map((_, i) => clusters.get(`${name}-${i}`)!.clusterId);
  expect(new Set(found).size).toBe(centres.length);
}

function assignmentOf({ value }: JudgedRecord): Assignment {
  return JSON.parse(value) as Assignment;
}

function placed({ partition, offset, key, value }: JudgedRecord): string {
  return `${partition}-${offset} ${key} ${value}`;
}
