// Every bad input lands in dead-letters once, as it was and with its reason; every odd but good one is assigned.

import { expect, it } from 'vitest';
import { TopologyTestDriver } from '../runtime/testing/test-driver.ts';
import {
  type Assignment,
  decodeLearningMessage,
  decodeModel,
  type Model,
  pointFaults,
  topics,
} from '../schemas/index.ts';
import { type ClusteringOptions, clusteringTopology } from '../topology/index.ts';
import {
  type BadRecord,
  badDirections,
  badRecords,
  type CorpusRecord,
  corpusBytesMax,
  corpusTimestampSkewMsMax,
  goodDirections,
  goodRecords,
} from './malformed-corpus.ts';
import { headerOf } from './oracle/decode-logs.ts';

const k = 2;

async function pipeline(
  features?: readonly string[],
  space: Pick<ClusteringOptions['model'], 'metric' | 'missing'> = {},
): Promise<TopologyTestDriver> {
  const topology = clusteringTopology({
    model: {
      ...{ k, dimensions: 2, features, scaling: 'none', seed: 1 },
      halfLife: { unit: 'points', value: Infinity },
      ...space,
    },
    bootstrap: { rows: 4, waitMs: 0 },
    points: {
      format: 'json',
      bytesMax: corpusBytesMax,
      timestampSkewMsMax: corpusTimestampSkewMsMax,
    },
    codeVersion: 'test',
  });
  const driver = await TopologyTestDriver.create(topology, { batchRowsMax: 16 });
  const seeds = ['[1,0]', '[0,1]', '[9,9]', '[9,8]'];
  await driver.pipe(
    topics.points,
    seeds.map((value) => ({ value })),
  );
  await driver.run();
  await driver.read(topics.assignments);
  return driver;
}

const piped = ({ key = 'some key', value, timestamp, headers = [] }: CorpusRecord) => ({
  ...{ key, value, headers },
  ...(timestamp === undefined ? {} : { timestamp }),
});

const bytesOf = (field: string | Uint8Array | null) =>
  field === null ? null : new Uint8Array(Buffer.from(field as string));

async function expectDeadLetters(driver: TopologyTestDriver, records: readonly BadRecord[]) {
  const places = await driver.pipe(topics.points, records.map(piped));
  await driver.run();
  const letters = await driver.read(topics.deadLetters);
  const found = letters.map((letter) => ({
    key: letter.key && new Uint8Array(letter.key),
    value: letter.value && new Uint8Array(letter.value),
    reason: headerOf(letter, 'meanstream.reason'),
    offset: headerOf(letter, '__streams.errors.offset'),
    partition: headerOf(letter, '__streams.errors.partition'),
    topic: headerOf(letter, '__streams.errors.topic'),
    exception: headerOf(letter, '__streams.errors.exception'),
    stacktrace: headerOf(letter, '__streams.errors.stacktrace'),
  }));
  expect(found).toEqual(
    records.map(({ key = 'some key', value, reason }, i) => ({
      key: bytesOf(key),
      value: bytesOf(value),
      reason,
      offset: String(places[i]!.offset),
      partition: '0',
      topic: 'points',
      exception: 'InvalidRecordError',
      stacktrace: '',
    })),
  );
  return letters;
}

it('holds at least 80 bad inputs, under names of their own', () => {
  const names = [...badRecords, ...goodRecords].map(({ name }) => name);
  expect(badRecords.length).toBeGreaterThanOrEqual(80);
  expect(names.filter((name, i) => names.indexOf(name) !== i).length).toBeLessThan(3);
});

it('every bad input becomes one dead letter with its reason, and nothing else', async () => {
  const driver = await pipeline();
  const letters = await expectDeadLetters(driver, badRecords);
  expect(await driver.read(topics.assignments)).toEqual([]);
  const { values } = await driver.metrics.deadLetters.get();
  expect(values.reduce((sum, { value }) => sum + value, 0)).toBe(badRecords.length);
  for (const [i, letter] of letters.entries()) {
    const { headers = [] } = badRecords[i]!;
    expect(letter.headers.slice(0, headers.length)).toEqual(headers);
    const message = headerOf(letter, '__streams.errors.message')!;
    expect(message).toMatch(/^[\p{Lu}"].{15,240}\.$/u);
    expect(message).not.toMatch(/\p{Cc}|undefined|\[object/u);
  }
  await driver.close();
});

it('every odd but good input is assigned, to the bit', async () => {
  const driver = await pipeline();
  const places = await driver.pipe(topics.points, goodRecords.map(piped));
  await driver.run();
  expect(await driver.read(topics.deadLetters)).toEqual([]);
  const answers = (await driver.read(topics.assignments)).map(
    ({ value }) => JSON.parse(Buffer.from(value!).toString()) as Assignment,
  );
  expect(answers.map(({ offset }) => offset)).toEqual(places.map(({ offset }) => offset));
  expect(answers.every(({ distance }) => Number.isFinite(distance))).toBe(true);
  await driver.close();
});

it.each(goodRecords)('$name is read as the numbers it says', async (record) => {
  const topology = clusteringTopology({
    model: { k: 1, scaling: 'none', seed: 1 },
    bootstrap: { rows: 1_000, waitMs: 60_000 },
    points: { format: 'json', bytesMax: corpusBytesMax },
    codeVersion: 'test',
  });
  const driver = await TopologyTestDriver.create(topology);
  await driver.pipe(topics.points, piped(record));
  await driver.run();
  const [first] = await driver.read(topics.centroidDeltas);
  const message = decodeLearningMessage(first!.value!);
  if (message.kind !== 'sample') throw new Error('not a sample');
  for (const [i, number] of record.vector.entries()) {
    expect(Object.is(message.values[i], Math.fround(number))).toBe(true);
  }
  await driver.close();
});

it('a model with named features refuses other names, and points that lack one', async () => {
  const driver = await pipeline(['height', 'age']);
  const bad = (reason: BadRecord['reason'], value: string) => ({ name: value, reason, value });
  await expectDeadLetters(driver, [
    bad('missing_feature', '{"features":{"height":1}}'),
    bad('missing_feature', '{"features":{}}'),
    bad('missing_feature', '{"age":1}'),
    bad('unknown_feature', '{"features":{"height":1,"age":2,"size":3}}'),
    bad('unknown_feature', '{"features":{"Height":1,"age":2}}'),
    bad('unknown_field', '{"height":1,"age":2,"size":3}'),
    bad('duplicate_field', '{"height":1,"age":2,"age":2}'),
    bad('duplicate_field', '{"features":{"height":1,"age":2,"age":2}}'),
    bad('not_a_number', '{"features":{"height":"1","age":2}}'),
    bad('not_a_number', '{"height":1,"age":null}'),
    bad('not_finite', '{"height":1,"age":NaN}'),
    bad('float32_overflow', '{"features":{"height":1e39,"age":2}}'),
    bad('ambiguous_point', '{"vector":[1,2],"features":{"height":1,"age":2}}'),
    bad('ambiguous_point', '{"vector":[1,2],"height":1}'),
    bad('missing_vector', '{}'),
    bad('not_features', '{"features":"height"}'),
  ]);
  await driver.pipe(topics.points, [
    { value: '{"age":2,"height":1}' },
    { value: '{"features":{"age":2,"height":1},"weight":2}' },
    { value: '[1,2]' },
  ]);
  await driver.run();
  expect(await driver.read(topics.assignments)).toHaveLength(3);
  await driver.close();
});

it('a point without a direction is none for a model by cosine, and a gap is no number', async () => {
  const driver = await pipeline(undefined, { metric: 'cosine', missing: 'mean' });
  const letters = await expectDeadLetters(driver, badDirections);
  for (const letter of letters.slice(0, 6)) {
    const message = headerOf(letter, '__streams.errors.message')!;
    expect(message).toMatch(/"vector" are 0, .* set model\.metric to euclidean\.$/);
  }
  expect(await driver.read(topics.assignments)).toEqual([]);
  await driver.pipe(topics.points, goodDirections.map(piped));
  await driver.run();
  expect(await driver.read(topics.deadLetters)).toEqual([]);
  const answers = (await driver.read(topics.assignments)).map(
    ({ value }) => JSON.parse(Buffer.from(value!).toString()) as Assignment,
  );
  expect(answers).toHaveLength(goodDirections.length);
  expect(answers.every(({ distance }) => distance >= 0 && distance <= 2)).toBe(true);
  await driver.close();
});

it('named features may be null or absent where a value may be missing, but not all of them', async () => {
  const driver = await pipeline(['height', 'age'], { missing: 'partial' });
  const bad = (reason: BadRecord['reason'], value: string) => ({ name: value, reason, value });
  await expectDeadLetters(driver, [
    bad('all_missing', '{"features":{}}'),
    bad('all_missing', '{"height":null}'),
    bad('all_missing', '{"features":{"height":null,"age":null}}'),
    bad('missing_vector', '{}'),
    bad('unknown_feature', '{"features":{"height":1,"size":null}}'),
    bad('duplicate_field', '{"height":null,"height":1}'),
  ]);
  const good = ['{"height":1}', '{"features":{"age":1,"height":null}}', '{"age":null,"height":1}'];
  await driver.pipe(
    topics.points,
    good.map((value) => ({ value })),
  );
  await driver.run();
  expect(await driver.read(topics.deadLetters)).toEqual([]);
  expect(await driver.read(topics.assignments)).toHaveLength(good.length);
  await driver.close();
});

it('the corpus knows every reason there is, but for those of requests', () => {
  const known = new Set<string>([...badRecords, ...badDirections].map(({ reason }) => reason));
  const elsewhere = [
    ...['missing_feature', 'unknown_feature', 'ambiguous_point'],
    ...['too_many_dimensions', 'not_points', 'too_many_points'],
  ];
  const missing = Object.keys(pointFaults).filter((code) => !known.has(code));
  expect(missing.sort()).toEqual(elsewhere.sort());
});

it('a first point of more than 4,096 numbers does not decide what points look like', async () => {
  const topology = clusteringTopology({
    model: { k: 1, seed: 1 },
    bootstrap: { rows: 1, waitMs: 0 },
    points: { format: 'json', bytesMax: corpusBytesMax },
    codeVersion: 'test',
  });
  const driver = await TopologyTestDriver.create(topology);
  const long = Array.from({ length: 4_097 }, () => 1);
  await driver.pipe(topics.points, [{ value: JSON.stringify(long) }, { value: '[1]' }]);
  await driver.run();
  const [letter, ...others] = await driver.read(topics.deadLetters);
  expect(others).toEqual([]);
  const model: Model = decodeModel((await driver.read(topics.models))[0]!.value!);
  expect(model.dims).toBe(1);
  // With a model of one dimension the first point is, by then, merely too long.
  expect(headerOf(letter!, 'meanstream.reason')).toBe('wrong_length');
  await driver.close();
});
