// `meanstream models …`: the versions on the models topic, files that other people's runtimes read and
// write, and which version is in use.

import { type Command, Option } from 'commander';
import { example, openContext, quiet, withSettings } from '../command-context.ts';
import type { ImportFlags } from '../run-import.ts';
import type { CommandFlags } from '../run-model-commands.ts';
import type { ExportFlags, ExportFormat, ModelsFlags } from '../run-models.ts';
import type { PruneFlags } from '../run-prune.ts';

const exportFormats: readonly ExportFormat[] = ['onnx', 'pmml', 'safetensors'];

export function addModels(program: Command): void {
  const models = program
    .command('models')
    .description('model versions: list, compare, export, import, promote, roll back');
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
  addImport(models);
  addArchive(models);
  addPrune(models);
  addAliasCommands(models);
}

function addImport(models: Command): void {
  common(models.command('import <file>'))
    .description('make a candidate version of a clustering from scikit-learn, or of an export')
    .option('--promote', 'also make it the current model')
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      `
From a fitted KMeans or MiniBatchKMeans, behind a StandardScaler or not, in Python:

  np.savez("model.npz", cluster_centers=kmeans.cluster_centers_, counts=np.bincount(kmeans.labels_),
           mean=scaler.mean_, scale=scaler.scale_)      # the second line with a scaler only

Optional besides: inertia=kmeans.inertia_, features=scaler.feature_names_in_.astype(str). The same names as JSON, or as
safetensors, do too, and so does what \`models export --format safetensors\` wrote. A pickle is never opened. \`-\` is stdin.

The points of the log are counted once with it: that says how good it is, and which clusters are known ones and keep their ids.
${example('meanstream models import model.npz --set bootstrap.servers=localhost:9092')}`,
    )
    .action(async (file: string, flags: ImportFlags) => {
      const { importModelFile } = await import('../run-import.ts');
      await importModelFile(context(flags), file, flags);
    });
}

function addArchive(models: Command): void {
  common(models.command('archive [version]'))
    .description(
      'write versions to artifacts.location that are not there yet, or one of them again',
    )
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
\`dev\` and \`retrain --serve\` do it by themselves, \`retrain\` and \`models import\` when they are done. An artifact is a version as
safetensors under the SHA-256 of its content; \`models show\` names it.
${example('meanstream models archive 1.1.0 --set bootstrap.servers=localhost:9092')}`,
    )
    .action(async (version: string | undefined, flags: ModelsFlags) =>
      (await loaded()).archiveModels(context(flags), version, flags),
    );
}

function addPrune(models: Command): void {
  common(models.command('prune'))
    .description('delete versions, and artifacts, that nothing needs any more')
    .option('--keep <n>', 'newest generations that stay in any case', '10')
    .option('--older-than <age>', 'only what is older, such as 30d, 12h or 90m')
    .option('--dry-run', 'show what would go, what stays and why; change nothing')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Stays, whatever is asked for: the generation in use, where aliases point, what a rollback goes back to, the lineage of all that stays,
the coresets that a version that stays or the next retrain begins with, and, while the log has its first delta, all that \`verify\` goes
through. The owner of the model decides, all or nothing, between promotions and rollbacks (\`models history\`): run it while a processor
does. With --data-dir it is asked for, and done when \`dev\` starts.
${example('meanstream models prune --keep 20 --older-than 30d --dry-run', 'meanstream models prune --keep 20 --older-than 30d --yes')}`,
    )
    .action(async (flags: PruneFlags) => {
      const { pruneModels } = await import('../run-prune.ts');
      await pruneModels(context(flags), flags);
    });
}

/** What points are assigned with: who moved it when and why, and moving it. */
function addAliasCommands(models: Command): void {
  common(models.command('aliases'))
    .description('where champion, challenger and shadow point')
    .option('--json', 'as JSON')
    .addHelpText('after', example('meanstream models aliases'))
    .action(async (flags: ModelsFlags) => (await aliases()).listAliases(context(flags), flags));
  common(models.command('history [alias]'))
    .description('every decision about an alias (default: all), newest first: who, when, why')
    .option('--json', 'as JSON')
    .addHelpText('after', example('meanstream models history champion'))
    .action(async (alias: string | undefined, flags: ModelsFlags) =>
      (await aliases()).showHistory(context(flags), alias, flags),
    );
  common(models.command('diff <version> <other>'))
    .description('which clusters two versions share, and how far each has moved')
    .option('--json', 'as JSON')
    .addHelpText('after', example('meanstream models diff 1.0.57 current'))
    .action(async (version: string, other: string, flags: ModelsFlags) =>
      (await aliases()).diffModels(context(flags), [version, other], flags),
    );
  acting(models.command('promote <version>'))
    .description('make a candidate the champion, or with --alias point another name at a version')
    .addOption(new Option('--alias <alias>', 'not the champion').choices(['challenger', 'shadow']))
    .addHelpText('after', example('meanstream models promote 1.1.0 --reason "quarterly retrain"'))
    .action(async (version: string, flags: CommandFlags) =>
      (await aliases()).promote(context(flags), version, flags),
    );
  acting(models.command('rollback [version]'))
    .description('go back to what the champion has replaced, or to a version that was champion')
    .addHelpText('after', example('meanstream models rollback --reason "too many outliers"'))
    .action(async (version: string | undefined, flags: CommandFlags) =>
      (await aliases()).rollBack(context(flags), version, flags),
    );
  acting(models.command('pin'))
    .description('stop learning and promotions: points are assigned, the model stays as it is')
    .addHelpText('after', example('meanstream models pin --reason "frozen for the audit"'))
    .action(async (flags: CommandFlags) => (await aliases()).pin(context(flags), 'pin', flags));
  acting(models.command('unpin'))
    .description('let the model learn again')
    .addHelpText('after', example('meanstream models unpin'))
    .action(async (flags: CommandFlags) => (await aliases()).pin(context(flags), 'unpin', flags));
}

/** Decided by the processor that owns the model; against Kafka only. */
function acting(command: Command): Command {
  return withSettings(command)
    .option('--reason <text>', 'kept with the decision')
    .option('--expected <number>', 'only if the newest decision about the alias is this one')
    .option('--json', 'print the decision as JSON');
}

function common(command: Command): Command {
  return withSettings(command).option(
    '--data-dir <folder>',
    'read the embedded log of a dev that is not running, not Kafka',
  );
}

const context = (flags: ModelsFlags | CommandFlags) =>
  openContext({ command: 'models', flags, defaults: quiet });

const loaded = () => import('../run-models.ts');

const aliases = () => import('../run-model-commands.ts');
