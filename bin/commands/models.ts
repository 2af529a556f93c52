// `meanstream models list|show|export`: the versions on the models topic, and files that other people's runtimes read.

import { type Command, Option } from 'commander';
import { example, openContext, quiet, withSettings } from '../command-context.ts';
import type { ExportFlags, ExportFormat, ModelsFlags } from '../run-models.ts';

const exportFormats: readonly ExportFormat[] = ['onnx', 'pmml', 'safetensors'];

export function addModels(program: Command): void {
  const models = program.command('models').description('model versions: list, look at, export');
  common(models.command('list'))
    .description('every version kept, newest first')
    .option('--json', 'as JSON')
    .addHelpText('after', example('meanstream models list --set bootstrap.servers=localhost:9092'))
    .action(async (flags: ModelsFlags) => (await loaded()).listModels(context(flags), flags));
  common(models.command('show <version>'))
    .description('one version: where it comes from, its clusters; `current` for the one in use')
    .option('--json', 'as JSON')
    .addHelpText('after', example('meanstream models show current --data-dir .meanstream'))
    .action(async (version: string, flags: ModelsFlags) =>
      (await loaded()).showModel(context(flags), version, flags),
    );
  common(models.command('export <version>'))
    .description('write one version as a file; `current` for the one in use')
    .addOption(
      new Option('--format <format>', 'what for').choices([...exportFormats]).makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'where to; refused when it exists')
    .addHelpText(
      'after',
      `
onnx         points (float32, n × dims) → cluster_id, label, distance; for onnxruntime
pmml         PMML 4.4 clustering model with the scaler in it; for JPMML and others
safetensors  every array in float64, nothing lost; for numpy, PyTorch and backups

A model by cosine, or with a policy for missing values, is written as safetensors only.
${example('meanstream models export current --format onnx --out model.onnx --set bootstrap.servers=localhost:9092')}`,
    )
    .action(async (version: string, flags: ExportFlags) =>
      (await loaded()).exportModel(context(flags), version, flags),
    );
}

function common(command: Command): Command {
  return withSettings(command).option(
    '--data-dir <folder>',
    'read the embedded log of a dev that is not running, not Kafka',
  );
}

const context = (flags: ModelsFlags) => openContext({ command: 'models', flags, defaults: quiet });

const loaded = () => import('../run-models.ts');
