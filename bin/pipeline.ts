// The pipeline as the settings ask for it.

import type { SettingValues } from '../config/index.ts';
import type { DecodePoints } from '../jobs/index.ts';
import { PointDecoder, type PointDecoderOptions } from '../schemas/index.ts';
import { clusteringTopology, type Topology } from '../topology/index.ts';
import { codeVersion } from './package-root.ts';

export function pipelineOf(settings: SettingValues): Topology {
  const { format, bytesMax, timestampSkewMsMax } = decoderOptions(settings);
  return clusteringTopology({
    model: {
      k: settings['model.k'],
      dimensions: settings['model.dimensions'] || undefined,
      features: settings['model.features'],
      metric: settings['model.metric'],
      missing: settings['model.missing'],
      scaling: settings['model.scaling'],
      seed: settings['model.seed'],
      halfLifePoints: settings['model.half.life.points'] || undefined,
    },
    bootstrap: { rows: settings['bootstrap.rows'], waitMs: settings['bootstrap.wait.ms'] },
    points: { format, bytesMax, timestampSkewMsMax },
    drift: { windowPoints: settings['drift.window.points'] },
    codeVersion: codeVersion(),
  });
}

/** As the tasks decode, for a job that replays what they have read. */
export function pointDecoder(settings: SettingValues): DecodePoints {
  const decoder = new PointDecoder(decoderOptions(settings));
  return (batch, shape) => decoder.decode(batch, shape).points;
}

function decoderOptions(settings: SettingValues): PointDecoderOptions {
  return {
    format: settings['points.format'],
    bytesMax: settings['points.bytes.max'],
    timestampSkewMsMax: settings['points.timestamp.ahead.max.ms'],
  };
}
