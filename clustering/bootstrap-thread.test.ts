import { expect, it } from 'vitest';
import { Random } from '../support/index.ts';
import { eventually } from '../test/support/meanstream-process.ts';
import type {
  BootstrapProblem,
  BootstrapThread as BootstrapThreadClass,
} from './bootstrap-thread.ts';
import { bootstrapModel, chooseKernels } from './index.ts';

const [n, dims, k] = [4_000, 16, 64];
const random = new Random(4);
const values = Float32Array.from({ length: n * dims }, () => random.normal());
const problem: BootstrapProblem = {
  ...{ values, n, dims, k, seed: 3, scaling: true, metric: 'euclidean', missing: 'reject' },
};

/** A thread runs the built file. */
async function open(given: BootstrapProblem): Promise<BootstrapThreadClass> {
  const built = new URL('../dist/clustering/bootstrap-thread.js', import.meta.url).href;
  const { BootstrapThread } = (await import(built)) as {
    BootstrapThread: typeof BootstrapThreadClass;
  };
  return new BootstrapThread(given);
}

it('fits the first model to the same bits as the calling thread, which is free meanwhile', async () => {
  const thread = await open(problem);
  expect(thread.model).toBeUndefined();
  const model = await eventually('it is fitted', () => thread.model);
  const { kernels } = chooseKernels();
  expect(model).toEqual(bootstrapModel({ ...problem, kernels }));
  await thread.close();
  expect(thread.model).toBe(model);
});

it('says that it has to be begun again when the thread ends without a model', async () => {
  const broken = await open({ ...problem, k: n + 1 });
  const retriable = expect.objectContaining({ code: 'MEANSTREAM_RETRIABLE' });
  await expect(eventually('never', () => broken.model, 2_000)).rejects.toThrow('begun again');
  expect(() => broken.model).toThrow(retriable);
  const closed = await open(problem);
  await closed.close();
  expect(() => closed.model).toThrow(retriable);
});
