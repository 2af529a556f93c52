// The README is true: its console blocks are run, in its order, and print what it says (numbers aside).
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ownKafkaMissing, startOwnKafka } from './support/kafka-cluster.ts';
import { eventually, MeanstreamProcess, runToEnd } from './support/meanstream-process.ts';
import { type ConsoleStep, consoleSteps, missingLines } from './support/readme-blocks.ts';

const root = new URL('..', import.meta.url).pathname;
const steps = consoleSteps(join(root, 'README.md'));
const sectionSteps = (section: string) => steps.filter((step) => step.section === section);

let folder: string;
let processes: MeanstreamProcess[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meanstream-readme-'));
  processes = [];
});

afterEach(async () => {
  for (const process of processes.reverse()) await process.end();
  await rm(folder, { recursive: true, force: true });
});

it('shows a minute with the demo as it is', async () => {
  const [start, ...rest] = sectionSteps('60 seconds');
  expect(start!.command).toBe('npm ci && npm start');
  const dev = new MeanstreamProcess(['dev', '--port', '0', '--data-dir', join(folder, 'data')]);
  processes.push(dev);
  const url = (await dev.waitFor(/dashboard\s+(http:\/\/\S+?)\/?\s/))[1]!;
  await dev.waitFor(/Ctrl-C/);
  const [, ...welcome] = start!.output.map((line) => line.replaceAll('.meanstream', 'DATA'));
  expect(missingLines(welcome, dev.stdout.replaceAll(join(folder, 'data'), 'DATA'))).toEqual([]);
  await eventually('the first model', async () => (await fetch(`${url}/readyz`)).ok, 60_000);
  for (const step of rest) await runStep(withUrl(step, url));
}, 120_000);

function withUrl(step: ConsoleStep, url: string): ConsoleStep {
  const command = step.command
    .replaceAll('http://127.0.0.1:8080', url)
    .replace('npx meanstream tail', `npx meanstream tail --url ${url}`);
  return { ...step, command };
}

describe('with a Kafka of its own', () => {
  it('takes three commands, and works with clients that are not ours', async (context) => {
    const missing = ownKafkaMissing();
    if (missing !== undefined) return context.skip(missing);
    const kafka = await startOwnKafka();
    try {
      const env = { MEANSTREAM_BOOTSTRAP_SERVERS: kafka.bootstrapServers };
      for (const step of [
        ...sectionSteps('Your own Kafka in three commands'),
        ...sectionSteps('Retrain and drift'),
      ]) {
        if (step.command.startsWith('export ')) continue;
        if (step.command === 'npx meanstream processor') {
          await startProcessor(env);
          continue;
        }
        const command = step.command.replaceAll('127.0.0.1:9092', kafka.bootstrapServers);
        if (command.includes('kcat') && (await shell('command -v kcat')).code !== 0) continue;
        await runStep({ ...step, command }, env);
      }
    } finally {
      await kafka.stop();
    }
  }, 120_000);
});

async function startProcessor(env: Record<string, string>): Promise<void> {
  const sets = [`state.dir=${join(folder, 'state')}`, 'metrics.port=0'];
  const args = ['processor', ...sets.flatMap((set) => ['--set', set])];
  const processor = new MeanstreamProcess(args, env);
  processes.push(processor);
  await processor.waitFor(/processor is running/);
}

async function runStep({ command, output }: ConsoleStep, env = {}): Promise<void> {
  const { code, stdout, stderr } = await shell(command, env);
  expect(code, `${command}\n${stdout}${stderr}`).toBe(0);
  expect(missingLines(output, `${stdout}\n${stderr}`), `${command}\n${stdout}${stderr}`).toEqual(
    [],
  );
}

function shell(command: string, environment: Record<string, string> = {}) {
  return runToEnd('bash', ['-c', command], { environment, cwd: root });
}
