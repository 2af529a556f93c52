// R16: two to sixteen transactional producers on one partition, whose transactions overlap, commit and abort in any order that
// the seed draws; keys that are four zero bytes; plain records between them; now and then an abort larger than a fetch. What
// our reader makes of it is compared, record for record, with Kafka's Java consumer and with what was written down here.
//
// Each history has a partition of its own, so that one Java process reads two hundred of them.

import { Connections } from '../../broker/kafka/connections.ts';
import { KafkaBroker } from '../../broker/kafka/index.ts';
import { initProducer } from '../../broker/kafka/init-producer.ts';
import type { ProducerSession } from '../../broker/kafka/producer-session.ts';
import { sendBatches } from '../../broker/kafka/send-batches.ts';
import { signBatches } from '../../broker/kafka/sign-batches.ts';
import { RecordBatchBuilder } from '../../schemas/index.ts';
import { Random, silentLogger, systemClock } from '../../support/index.ts';
import { dumpTopic } from '../support/dump-topic.ts';
import { readWithJava } from '../support/java-console.ts';
import { startOwnKafka } from '../support/kafka-cluster.ts';
import { eventually } from '../support/meanstream-process.ts';
import { type Counts, count, type OwnOutcome, type OwnRow, roundsOf } from './chaos-row.ts';

const producersMax = 16;
const historiesAtOnce = 4;
const historiesPerTopic = 200;
/** One history in so many has an abort of two batches that do not fit into one fetch together. */
const largeEvery = 50;
const largeBytes = 700_000;
const batchBytesMax = 1_000_000;
const patienceMs = 60_000;
const idleMs = 8_000;

/** A record that a read_committed reader has to see. */
interface Seen {
  readonly offset: number;
  readonly key: string;
  readonly value: string;
}

interface Place {
  readonly topic: string;
  readonly partition: number;
}

export const abortedTransactions: OwnRow = {
  id: 'R16',
  fault: 'aborted transactions of 2 to 16 producers, interleaved',
  async run({ random, say, ...scale }): Promise<OwnOutcome> {
    const counts: Counts = {};
    const findings: string[] = [];
    const kafka = await startOwnKafka();
    const options = { bootstrapServers: kafka.bootstrapServers, clientId: 'chaos' };
    const broker = new KafkaBroker({ ...options, clock: systemClock, logger: silentLogger });
    const connections = new Connections({ ...options, clock: systemClock, logger: silentLogger });
    try {
      await broker.connect();
      await connections.connect();
      const crews = await Promise.all(
        Array.from({ length: historiesAtOnce }, (_, crew) => crewOf(connections, crew)),
      );
      let left = roundsOf(scale, historiesPerTopic, 10_000).length;
      for (let at = 0; left > 0; at += 1, left -= historiesPerTopic) {
        const topic = `histories-${at}`;
        const partitions = Math.min(left, historiesPerTopic);
        await broker.createTopics([{ name: topic, partitions, replicationFactor: 1, configs: {} }]);
        const seeds = Array.from({ length: partitions }, () => random.uint32());
        const expected: Seen[][] = [];
        const next = seeds.entries();
        await Promise.all(
          crews.map(async (crew) => {
            for (const [partition, seed] of next) {
              const history = new History({ topic, partition }, crew, new Random(seed), counts);
              expected[partition] = await history.run();
            }
          }),
        );
        say(`${partitions} histories are written`);
        const [ours, javas] = await Promise.all([
          dumpTopic(broker, topic),
          readWithJava(kafka.libsDir, kafka.bootstrapServers, topic, idleMs),
        ]);
        const text = (bytes: Uint8Array | null) =>
          bytes === null ? 'null' : new TextDecoder().decode(bytes);
        const oursIn = byPartition(
          ours.map((it) => ({ ...it, key: text(it.key), value: text(it.value) })),
          partitions,
        );
        const javasIn = byPartition(javas, partitions);
        for (const [partition, records] of expected.entries()) {
          const where = `the history of seed ${seeds[partition]}`;
          const [is, javaIs, must] = [oursIn[partition]!, javasIn[partition]!, records.map(lineOf)];
          if (is.join('\n') !== must.join('\n')) findings.push(`${where}: ${differ(is, must)}`);
          if (javaIs.join('\n') !== must.join('\n')) {
            findings.push(`${where}, read by Java: ${differ(javaIs, must)}`);
          }
        }
        count(counts, 'records seen', javas.length);
        await broker.deleteTopics([topic]);
      }
      return { counts, findings };
    } finally {
      await connections.close();
      await broker.close();
      await kafka.stop();
    }
  },
};

function lineOf({ offset, key, value }: Seen): string {
  return `${offset} ${key} ${value}`;
}

function byPartition(
  records: readonly (Seen & { readonly partition: number })[],
  partitions: number,
): string[][] {
  const lines: string[][] = Array.from({ length: partitions }, () => []);
  for (const record of records) lines[record.partition]!.push(lineOf(record));
  return lines;
}

function differ(is: readonly string[], must: readonly string[]): string {
  const at = must.findIndex((line, i) => line !== is[i]);
  const place = at < 0 ? must.length : at;
  return `${is.length} records for ${must.length}, first "${is[place]}" for "${must[place]}"`;
}

/** Producers for one history after the other. */
interface Crew {
  readonly producers: readonly LooseProducer[];
  readonly plain: LooseProducer;
}

async function crewOf(connections: Connections, crew: number): Promise<Crew> {
  const lane = `crew-${crew}`;
  const open = async (transactionalId: string | null) =>
    new LooseProducer(
      connections,
      lane,
      await initProducer({ connections, lane, transactionalId, transactionTimeoutMs: 60_000 }),
    );
  const producers: LooseProducer[] = [];
  for (let n = 0; n < producersMax; n += 1) producers.push(await open(`crew-${crew}-${n}`));
  return { producers, plain: await open(null) };
}

/** A producer whose transactions are held open as long as the history wants. */
class LooseProducer {
  readonly #connections: Connections;
  readonly #lane: string;
  readonly #session: ProducerSession;

  constructor(connections: Connections, lane: string, session: ProducerSession) {
    this.#connections = connections;
    this.#lane = lane;
    this.#session = session;
  }

  async begin({ topic, partition }: Place): Promise<void> {
    const node = await this.#coordinator();
    const topics = [{ topic, partitions: [partition] }];
    await untilTaken('AddPartitionsToTxn', async () => {
      const { errors } = await node.call('AddPartitionsToTxn', { ...this.#who, topics });
      return errors[0]!.partitionErrors[0]!.errorCode;
    });
  }

  /** @returns its offset. */
  async send(place: Place, key: Uint8Array | null, value: string): Promise<number> {
    const records = new RecordBatchBuilder();
    records.append(systemClock.nowMs(), key, new TextEncoder().encode(value));
    const batches = signBatches(
      [{ ...place, records }],
      new Map([[place.topic, batchBytesMax]]),
      this.#session,
    );
    const deadlineMs = systemClock.monotonicMs() + patienceMs;
    const options = { connections: this.#connections, lane: this.#lane, session: this.#session };
    const offsets = await sendBatches({ ...options, deadlineMs, repeatUnclear: false }, batches);
    return [...offsets.values()][0]!;
  }

  async end(isCommit: boolean): Promise<void> {
    const node = await this.#coordinator();
    await untilTaken('EndTxn', async () => {
      const answer = await node.call('EndTxn', { ...this.#who, transactionResult: isCommit });
      return answer.errorCode;
    });
  }

  get #who() {
    const { producerId, producerEpoch, transactionalId } = this.#session;
    return { producerId, producerEpoch, transactionalId: transactionalId! };
  }

  #coordinator() {
    const { transactionalId } = this.#session;
    return this.#connections.coordinator('transaction', transactionalId!, this.#lane);
  }
}

/** Markers of the last transaction may be on their way: then it is asked again. */
async function untilTaken(api: string, ask: () => Promise<number>): Promise<void> {
  await eventually(`${api} is taken`, async () => (await ask()) === 0, patienceMs);
}

type Step = 'send' | 'commit' | 'abort';

interface Part {
  readonly name: string;
  readonly producer: LooseProducer;
  readonly isPlain: boolean;
  readonly steps: Step[];
  /** What it has sent in the open transaction; undefined while there is none. */
  open: Seen[] | undefined;
}

class History {
  readonly #place: Place;
  readonly #random: Random;
  readonly #counts: Counts;
  readonly #parts: Part[];
  readonly #seen: Seen[] = [];
  #sent = 0;
  #isLargeDue: boolean;

  constructor(place: Place, { producers, plain }: Crew, random: Random, counts: Counts) {
    this.#place = place;
    this.#random = random;
    this.#counts = counts;
    this.#isLargeDue = place.partition % largeEvery === 0;
    const taking = producers.slice(0, 2 + random.below(producersMax - 1));
    this.#parts = [
      ...taking.map((producer, n) => this.#part(`${n}`, producer, false)),
      this.#part('plain', plain, true),
    ];
  }

  /** @returns what is to be seen, in the order of the log. */
  async run(): Promise<Seen[]> {
    for (let left = this.#parts; left.length > 0; ) {
      await this.#step(left[this.#random.below(left.length)]!);
      left = left.filter(({ steps }) => steps.length > 0);
    }
    count(this.#counts, 'histories');
    return this.#seen.sort((a, b) => a.offset - b.offset);
  }

  #part(name: string, producer: LooseProducer, isPlain: boolean): Part {
    const steps: Step[] = [];
    const transactions = 1 + this.#random.below(2);
    for (let n = 0; n < transactions; n += 1) {
      steps.push(...Array<Step>(1 + this.#random.below(3)).fill('send'));
      if (!isPlain) steps.push(this.#random.below(2) === 0 ? 'commit' : 'abort');
    }
    return { name, producer, isPlain, steps, open: undefined };
  }

  async #step(part: Part): Promise<void> {
    const step = part.steps.shift()!;
    if (step !== 'send') return this.#end(part, step === 'commit');
    if (!part.isPlain && part.open === undefined) {
      await part.producer.begin(this.#place);
      part.open = [];
    }
    const isAborted = part.steps.find((later) => later !== 'send') === 'abort';
    const large = this.#isLargeDue && isAborted ? 2 : 0;
    if (large > 0) {
      this.#isLargeDue = false;
      count(this.#counts, 'aborts larger than a fetch');
    }
    for (let n = 0; n < Math.max(1, large); n += 1) {
      const value = `${part.name}.${this.#sent}${large > 0 ? 'x'.repeat(largeBytes) : ''}`;
      this.#sent += 1;
      // As an int32 it is 0, and its bytes are those by which kafkajs knows a marker.
      const key = this.#random.below(2) === 0 ? new Uint8Array(4) : null;
      const offset = await part.producer.send(this.#place, key, value);
      const record = { offset, key: key === null ? 'null' : '\0\0\0\0', value };
      (part.open ?? this.#seen).push(record);
    }
  }

  async #end(part: Part, isCommit: boolean): Promise<void> {
    await part.producer.end(isCommit);
    count(this.#counts, isCommit ? 'committed' : 'aborted');
    if (isCommit) this.#seen.push(...part.open!);
    part.open = undefined;
  }
}
