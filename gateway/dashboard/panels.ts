// Everything on the page that is text or a small line: filled from one status a second.

import { count, dayAndTime, decimal, duration, percent, timeOfDay } from './format.ts';
import { colourOf } from './palette.ts';
import type { DriftReport, Status, StatusCluster } from './protocol.ts';
import { drawSparkline } from './sparkline.ts';

const historySeconds = 60;
const driftSlots = 60;
const psiWarning = 0.25;
const eventsShown = 8;

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no #${id}.`);
  return found as T;
}

function say(id: string, text: string): void {
  const place = byId(id);
  if (place.textContent !== text) place.textContent = text;
}

export function showStrip({ model, modelAgeMs, throughput, lag, drift }: Status): void {
  say('model-version', model === null ? 'none yet' : model.version);
  say('model-age', modelAgeMs === null ? '–' : `${duration(modelAgeMs)} ago`);
  say('rate', count(throughput.pointsPerSecond));
  say('lag', lag === null ? 'unknown' : lagText(lag.records, lag.seconds));
  say('log-records', lag === null ? '–' : `${count(lag.logRecords)} points`);
  showLevel(drift.at(-1));
}

function lagText(records: number, seconds: number | null): string {
  if (records === 0) return 'none';
  return `${count(records)}${seconds === null ? '' : ` · ${duration(seconds * 1_000)}`}`;
}

const levelTexts = { none: '● none', warning: '▲ warning', alarm: '■ alarm' } as const;

function showLevel(latest: DriftReport | undefined): void {
  say('drift-level', latest === undefined ? '–' : levelTexts[latest.level]);
  byId('drift-level').dataset.level = latest?.level ?? '';
}

export function showThroughput({ throughput }: Status): void {
  const { history, pointsPerSecond, total } = throughput;
  const most = Math.max(0, ...history);
  say('rate-note', `${count(pointsPerSecond)}/s · peak ${count(most)} · ${count(total)} in all`);
  drawSparkline(byId('rate-line'), history, { slots: historySeconds });
}

export interface ClusterTableOptions {
  readonly isDark: boolean;
  readonly selected: string | undefined;
  readonly onHover: (clusterId: string | undefined) => void;
  readonly onSelect: (clusterId: string) => void;
}

/** Rows are kept and moved, so that bars glide and the keyboard's focus stays. */
export function showClusters(status: Status, options: ClusterTableOptions): void {
  const { clusters, clusterCount } = status;
  const body = byId<HTMLTableSectionElement>('clusters');
  const known = new Map([...body.rows].map((row) => [row.dataset.cluster ?? '', row] as const));
  const largest = Math.max(...clusters.map(({ share }) => share), 1e-9);
  const rows = clusters.map((cluster) => {
    const row = known.get(cluster.clusterId) ?? clusterRow(cluster.clusterId, options);
    fillRow(row, cluster, largest, options);
    return row;
  });
  const isSame = rows.length === body.rows.length && rows.every((row, i) => row === body.rows[i]);
  if (!isSame) body.replaceChildren(...rows);
  byId('clusters-empty').hidden = clusters.length > 0;
  byId('clusters-table').hidden = clusters.length === 0;
  const model = status.model;
  const left = clusterCount - clusters.length;
  say(
    'clusters-note',
    model === null
      ? ''
      : `${clusterCount} in ${model.dimensions} dimensions${left > 0 ? ` · ${left} not listed` : ''}`,
  );
}

function clusterRow(clusterId: string, options: ClusterTableOptions): HTMLTableRowElement {
  const row = document.createElement('tr');
  row.dataset.cluster = clusterId;
  row.tabIndex = 0;
  row.innerHTML =
    '<td><span class="name"><i class="dot"></i><span></span></span></td>' +
    '<td><div class="share"><div class="bar"><i></i></div><span></span></div></td>' +
    '<td class="number"></td><td class="number"></td>';
  row.querySelector('.name span')!.textContent = clusterId;
  row.onmouseenter = () => options.onHover(clusterId);
  row.onmouseleave = () => options.onHover(undefined);
  row.onclick = () => options.onSelect(clusterId);
  row.onkeydown = (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    options.onSelect(clusterId);
  };
  return row;
}

function fillRow(
  row: HTMLTableRowElement,
  { clusterId, share, weight, radius }: StatusCluster,
  largest: number,
  { isDark, selected }: ClusterTableOptions,
): void {
  const colour = colourOf(clusterId, isDark);
  row.setAttribute('aria-selected', String(clusterId === selected));
  row.querySelector<HTMLElement>('.dot')!.style.background = colour;
  const bar = row.querySelector<HTMLElement>('.bar i')!;
  bar.style.background = colour;
  bar.style.width = `${(100 * share) / largest}%`;
  row.querySelector('.share span')!.textContent = percent(share);
  row.cells[2]!.textContent = count(weight);
  row.cells[3]!.textContent = decimal(radius);
}

export function showDrift({ drift }: Status): void {
  const recent = drift.slice(-driftSlots);
  const latest = recent.at(-1);
  const psi = latest?.psi ?? null;
  say('psi', psi === null ? '–' : decimal(psi));
  say('page-hinkley', latest === undefined ? '–' : decimal(latest.pageHinkley));
  say('drift-note', driftNote(latest));
  say('drift-stable', stableNote(latest));
  drawSparkline(
    byId('psi-line'),
    recent.map((report) => report.psi ?? 0),
    { limit: psiWarning, slots: driftSlots },
  );
  drawSparkline(
    byId('page-hinkley-line'),
    recent.map((report) => report.pageHinkley),
    { slots: driftSlots, ...(latest && { limit: latest.pageHinkleyThreshold }) },
  );
}

function driftNote(latest: DriftReport | undefined): string {
  if (latest === undefined) return 'no window has closed yet';
  const fired = latest.detectors.length > 0 ? ` · ${latest.detectors.join(', ')}` : '';
  return `${percent(latest.outlierRate)} outliers · window of ${count(latest.count)}${fired}`;
}

function stableNote(latest: DriftReport | undefined): string {
  const { stableSinceMs, stablePoints } = latest ?? {};
  if (stableSinceMs === undefined || stablePoints === undefined) return '';
  return `Alike since ${dayAndTime(stableSinceMs)} (${count(stablePoints)} points)`;
}

export function showEvents({ events }: Status): void {
  const newest = events.slice(-eventsShown).reverse();
  byId('events-empty').hidden = newest.length > 0;
  byId('events').replaceChildren(
    ...newest.map(({ type, clusterId, modelVersion, timestampMs }) => {
      const item = document.createElement('li');
      const time = document.createElement('time');
      time.textContent = timeOfDay(timestampMs);
      const what = document.createElement('span');
      what.textContent = `${clusterId} ${type}`;
      const version = document.createElement('span');
      version.className = 'version';
      version.textContent = modelVersion;
      item.append(time, what, version);
      return item;
    }),
  );
}
