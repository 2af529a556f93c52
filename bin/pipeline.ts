// The pipeline as the settings ask for it.

import { defaultHalfLife, memoryOf } from '../clustering/index.ts';
import { challengerOf, halfLifeOf, type SettingValues } from '../config/index.ts';
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
      halfLife: halfLifeOf(settings['model.half.life']),
      stalenessMsMax: settings['model.staleness.max.ms'] || undefined,
    },
    bootstrap: { rows: settings['bootstrap.rows'], waitMs: settings['bootstrap.wait.ms'] },
    points: { format, bytesMax, timestampSkewMsMax },
    drift: { windowPoints: settings['drift.window.points'] },
    challengers: {
      list: settings['challengers.list'].map((text) => challengerOf(text)!),
      sampleEvery: settings['challengers.sample.every'],
    },
    retrain: retrainTriggersOf(settings),
    promotion: {
      gate: settings['promotion.policy'] === 'gate',
      points: settings['promotion.points'],
      margin: settings['promotion.margin.percent'] / 100,
      sampleEvery: settings['promotion.sample.every'],
    },
    codeVersion: codeVersion(),
  });
}

function retrainTriggersOf(settings: SettingValues) {
  const schedule = settings['retrain.schedule'];
  const cooldownMs = settings['retrain.drift.cooldown.ms'];
  const budgetPerDay = settings['retrain.drift.budget.per.day'];
  return {
    schedule: schedule === 'never' ? undefined : schedule,
    everyPoints: settings['retrain.every.points'] || undefined,
    onDrift: settings['retrain.on.drift'] ? { cooldownMs, budgetPerDay } : undefined,
  };
}

/** What the half-life means, for the log at the start. */
export function memoryText(settings: SettingValues): string {
  const k = settings['model.k'];
  const halfLife = halfLifeOf(settings['model.half.life']) ?? defaultHalfLife(k);
  const text = (amount: number) =>
    halfLife.unit === 'ms'
      ? `${(amount / 1000).toLocaleString('en')} s of event time`
      : `${Math.round(amount).toLocaleString('en')} ${halfLife.unit}`;
  return `a point counts half after ${text(halfLife.value)}: all weights add up to ${text(memoryOf(halfLife))}`;
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
