// R4: everything a network does, by a TCP proxy between the processors and Kafka: slow, jittery, narrow and sliced lines,
// resets, black holes, and above all the answer to EndTxn lost (the transaction is committed and nobody told us) or its
// request lost (it will be aborted). Other requests of a transaction are lost as well. What was held back in a black hole
// arrives late, when its writer has long been replaced.
import { eventually, sleep } from '../support/meanstream-process.ts';
import type { Frame, TcpFaults, TcpProxy } from '../support/tcp-proxy.ts';
import { type Counts, count, type FieldRow, roundsOf } from './chaos-row.ts';
import { type Field, patienceMs } from './field.ts';

/** API keys of Kafka's protocol: the requests of a transaction, and those around it. */
const apis = {
  Produce: 0,
  Fetch: 1,
  OffsetFetch: 9,
  Heartbeat: 12,
  InitProducerId: 22,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  TxnOffsetCommit: 28,
} as const;

type Api = keyof typeof apis;

const slowLines: readonly (readonly [string, Partial<TcpFaults>])[] = [
  ['latency 100 ms', { latencyMs: 100 }],
  ['latency 500 ms with jitter', { latencyMs: 300, jitterMs: 400 }],
  ['latency 2 s', { latencyMs: 2_000 }],
  ['64 KB/s', { bytesPerSecond: 65_536 }],
  ['slices of 7 bytes', { sliceBytes: 7 }],
];
const slowMs = 1_500;

export const networkFaults: FieldRow = {
  id: 'R4',
  fault: 'TCP: slow, narrow, reset, silent, EndTxn or its answer lost',
  async run(field, scale) {
    const { nightly } = scale;
    const counts: Counts = {};
    const { proxy } = field.proxied!;
    field.startFeeding();
    for (const name of ['one', 'two']) if (!field.processors.has(name)) field.start(name);
    await field.untilAllRun();
    // A change affords 13 faults with 6 unclear commits, a night 224 with 120 of them.
    for (const round of roundsOf(scale, 1, 10)) {
      for (const [name, faults] of slowLines) {
        if (!nightly && name === 'latency 2 s') continue;
        Object.assign(proxy.faults, faults);
        await sleep(nightly ? 5 * slowMs : slowMs);
        await healed(field, counts, name);
      }
      for (let times = 0; times < 2; times += 1) {
        count(counts, 'connections reset', proxy.resetAll());
        await sleep(field.random.below(300));
      }
      await healed(field, counts, 'reset');
      await blackHole(field, counts, nightly ? [5, 20, 60, 120][round % 4]! : 5);
      for (let times = 0; times < (nightly ? 6 : 3); times += 1) {
        await lose(field, counts, 'EndTxn', 'answer');
        await lose(field, counts, 'EndTxn', 'request');
      }
      const others = Object.keys(apis).filter((api) => api !== 'EndTxn') as Api[];
      const some = nightly ? others : [others[field.random.below(others.length)]!];
      for (const api of some) await lose(field, counts, api, nightly ? 'request' : 'answer');
    }
    return counts;
  },
};

async function blackHole(field: Field, counts: Counts, seconds: number): Promise<void> {
  field.proxied!.proxy.fallSilent();
  await sleep(seconds * 1_000);
  await healed(field, counts, `black hole ${seconds} s`);
}

async function healed(field: Field, counts: Counts, name: string): Promise<void> {
  field.proxied!.proxy.heal();
  count(counts, name);
  await field.untilAllRun();
  await field.untilProgress();
}

/** The next one of that kind, once; waits until it was lost and everything runs again. */
async function lose(
  field: Field,
  counts: Counts,
  api: Api,
  direction: Frame['direction'],
): Promise<void> {
  const { proxy } = field.proxied!;
  let lost = 0;
  proxy.faults.judge = (frame) => {
    const isIt = lost === 0 && frame.apiKey === apis[api] && frame.direction === direction;
    if (!isIt) return 'pass';
    if (api === 'EndTxn' && direction === 'answer' && errorOf(frame) !== 0) return 'pass';
    lost += 1;
    return 'lose';
  };
  await provoke(field, proxy, api, () => lost > 0);
  await healed(field, counts, `${api} ${direction} lost`);
}

/** Some requests are only made when a task is taken over, which a reset brings about. */
async function provoke(
  field: Field,
  proxy: TcpProxy,
  api: Api,
  happened: () => boolean,
): Promise<void> {
  const needsTakeOver = api === 'OffsetFetch' || api === 'InitProducerId';
  await eventually(
    `a ${api} to lose`,
    async () => {
      if (!happened() && needsTakeOver) {
        proxy.resetAll();
        await sleep(500 + field.random.below(500));
      }
      return happened();
    },
    patienceMs,
  );
}

/** Of an answer to EndTxn 0 or 1: size, correlation id, throttle time, error code. */
function errorOf({ bytes }: Frame): number {
  return bytes.readInt16BE(12);
}
