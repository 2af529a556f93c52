// R10: five times as much as can be taken, first over HTTP, then straight into the topic (overload-gateway.ts,
// overload-processor.ts). Who cannot take more must say so or leave it in the log: nothing that was said yes to is lost,
// no memory grows with what comes, questions are still answered, and afterwards it goes on as fast as before. Which figures
// can be judged on a machine that the load shares stands in overload-bounds.ts.
import { startOwnKafka } from '../support/kafka-cluster.ts';
import { KafkaDeployment } from '../support/kafka-deployment.ts';
import { Mixture } from '../support/mixture.ts';
import { type OwnOutcome, type OwnRow, roundsOf } from './chaos-row.ts';
import { Bounds } from './overload-bounds.ts';
import { GatewayUnderLoad } from './overload-gateway.ts';
import { ProcessorUnderLoad } from './overload-processor.ts';

/** So much to work out for points so short that five times what a processor takes can be written on the same cores. */
const model = { k: 1_024, dims: 32 };
const bootstrapRows = 6_000;
/**
 * How long each has a steady stream first, and how long it is overloaded; the processor until it has taken what is left, which
 * is four times as long again.
 */
const roundOfChange = { steadyMs: 1_500, gatewayMs: 5_000, processorMs: 1_500 };
const roundOfNight = { steadyMs: 15_000, gatewayMs: 30_000, processorMs: 15_000 };

/** `assignments` is compacted once a segment of 1 GiB is full, and then lacks what came first: it is to be read whole. */
const everythingKept = { 'log.cleaner.min.compaction.lag.ms': '86400000' };

export const overload: OwnRow = {
  id: 'R10',
  fault: 'overload, 5 × capacity',
  async run({ random, say, ...scale }): Promise<OwnOutcome> {
    const bounds = new Bounds(say);
    const times = scale.nightly ? roundOfNight : roundOfChange;
    for (const _ of roundsOf(scale, 1, 20)) await oneRound(random.uint32(), bounds, times);
    return { counts: bounds.counts, findings: bounds.findings };
  },
};

async function oneRound(
  seed: number,
  bounds: Bounds,
  { steadyMs, gatewayMs, processorMs }: typeof roundOfChange,
): Promise<void> {
  const deployment = await KafkaDeployment.start(
    { 'model.k': model.k, 'model.seed': seed, 'bootstrap.rows': bootstrapRows },
    startOwnKafka(everythingKept),
  );
  const mixture = new Mixture({ seed, dims: model.dims, clusters: 64, badEvery: 0 });
  const overloaded = { deployment, bounds, vector: () => mixture.point().map(short) };
  try {
    // The gateway needs a model to answer by, but not the processor: only one of them is loaded at a time.
    const seeding = deployment.processor('one');
    await deployment.write(Array.from({ length: bootstrapRows }, () => mixture.record()));
    const gateway = await GatewayUnderLoad.start(overloaded);
    await deployment.drained();
    await seeding.process.end('SIGTERM');
    await gateway.overload(steadyMs, gatewayMs);
    await gateway.close();
    const processor = await ProcessorUnderLoad.start(overloaded);
    await processor.overload(steadyMs, processorMs);
    await processor.close();
  } finally {
    await deployment.close();
  }
}

function short(value: number): number {
  return Math.round(value * 10) / 10;
}
