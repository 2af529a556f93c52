// docs/SETTINGS.md and the JSON Schema of the settings file, both made from the table.

import type { Setting } from './setting-types.ts';
import { environmentName, isSettingKey, settingSections, settings } from './settings.ts';

const head = `# Settings

Made from \`config/settings.ts\` by \`meanstream config docs\`; a test compares. Do not edit by hand.

One dotted key has three spellings: \`model.k: 7\` in the YAML file (nested keys are fine too), \`MEANSTREAM_MODEL_K=7\` in
the environment, \`--set model.k=7\` on the command line. A flag wins over the environment, the environment over the
file, the file over the default. The file is the one of \`--config\`, else of \`MEANSTREAM_CONFIG\`, else \`meanstream.yaml\`
in the working directory. Secrets are never flags; \`MEANSTREAM_SASL_PASSWORD_FILE\` names a file to read one from.
\`meanstream config print --effective\` shows every value with where it came from.

A changed value needs a **restart** of the process, or a **reset**: topics and state were made with the old one.
`;

export function settingsPage(): string {
  const sections = settingSections.map(({ title, keys }) => {
    const rows = keys.map((key) => row(key, byKey(key)));
    return [
      `\n## ${title}\n`,
      '| key | type | default | change | what it does |',
      '|---|---|---|---|---|',
      ...rows,
    ].join('\n');
  });
  return `${head}${sections.join('\n')}\n`;
}

function row(key: string, setting: Setting<unknown>): string {
  const fallback = key === 'group.instance.id' ? 'the host name' : shown(setting.default);
  const notes = setting.secret ? ` Secret: \`${environmentName(key)}_FILE\`.` : '';
  const cells = [`\`${key}\``, setting.allowed, fallback, setting.change, setting.says + notes];
  return `| ${cells.join(' | ')} |`;
}

function shown(value: unknown): string {
  const isEmpty = value === '' || (Array.isArray(value) && value.length === 0);
  return isEmpty ? '–' : `\`${String(value)}\``;
}

/** A JSON Schema for editors. Dotted keys only: completion then shows each key whole. */
export function settingsSchema(): object {
  const properties: Record<string, object> = {};
  for (const key of settingSections.flatMap((section) => section.keys)) {
    const setting = byKey(key);
    const isHostName = key === 'group.instance.id';
    properties[key] = {
      description: setting.says,
      ...setting.jsonSchema,
      ...(!isHostName && { default: setting.default }),
    };
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Meanstream settings',
    type: 'object',
    properties,
  };
}

function byKey(key: string): Setting<unknown> {
  if (!isSettingKey(key)) throw new RangeError(`no setting ${key}`);
  return settings[key] as Setting<unknown>;
}
