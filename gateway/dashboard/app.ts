// The page: one connection, one map, a few panels. What is drawn is also said in `window.meanstream`, for tests and for
// the curious.

import { type ConnectionState, connect } from './connection.ts';
import { count, percent } from './format.ts';
import { connectKPanel } from './k-panel.ts';
import { MapCanvas } from './map-canvas.ts';
import { connectModelsPanel, showRetrain } from './models-panel.ts';
import { byId, showClusters, showDrift, showEvents, showStrip, showThroughput } from './panels.ts';
import type { MapFrame, Status } from './protocol.ts';

interface Shown {
  connection: ConnectionState;
  framesDrawn: number;
  drawnPoints: number;
  clustersShown: readonly string[];
  modelVersion: string | null;
  basisVersion: number;
  pointsPerSecond: number;
  lagRecords: number | null;
}

const shown: Shown = {
  connection: 'connecting',
  framesDrawn: 0,
  drawnPoints: 0,
  clustersShown: [],
  modelVersion: null,
  basisVersion: 0,
  pointsPerSecond: 0,
  lagRecords: null,
};
Object.assign(window, { meanstream: shown });

const canvas = byId<HTMLCanvasElement>('map');
const map = new MapCanvas(canvas);
let status: Status | undefined;
let isPaused = false;
let selected: string | undefined =
  new URLSearchParams(location.hash.slice(1)).get('cluster') ?? undefined;
let hovered: string | undefined;

map.highlight(selected);
map.onDrawn = ({ points, clusters }) => {
  shown.framesDrawn += 1;
  shown.drawnPoints = points;
  shown.clustersShown = clusters;
  canvas.dataset.points = String(points);
  canvas.dataset.clusters = clusters.join(' ');
};

function isDark(): boolean {
  return getComputedStyle(document.documentElement).colorScheme !== 'light';
}

function onHover(clusterId: string | undefined): void {
  hovered = clusterId;
  map.highlight(hovered ?? selected);
}

function onSelect(clusterId: string): void {
  selected = selected === clusterId ? undefined : clusterId;
  const hash = selected === undefined ? ' ' : `#cluster=${encodeURIComponent(selected)}`;
  history.replaceState(null, '', hash.trim() || location.pathname);
  onHover(undefined);
  showPanels();
}

function showPanels(): void {
  if (status === undefined) return;
  showStrip(status);
  showThroughput(status);
  showClusters(status, { isDark: isDark(), selected, onHover, onSelect });
  showDrift(status);
  showEvents(status);
  showRetrain(status.retrain, status.timeMs);
  showEmpty(status);
}

function showEmpty({ model, lag, health, waiting }: Status): void {
  byId('empty').hidden = model !== null && shown.framesDrawn > 0;
  const points = lag?.logRecords ?? 0;
  const isSilent = model === null && points === 0;
  const [title, text] = isSilent
    ? ['No points yet', 'Send some points: they show up here with their clusters.']
    : model === null
      ? ['Making the first model', bootstrapText(points, waiting)]
      : ['Waiting for points', health.reasons.join('; ')];
  byId('empty-title').textContent = title;
  byId('empty-text').textContent = text;
  const code = byId('empty-code');
  code.hidden = !isSilent;
  code.textContent = `curl ${location.origin}/v1/points \\\n  -H 'content-type: application/json' \\\n  -d '{"points":[{"key":"a","vector":[1,2]},{"key":"b","vector":[8,9]}]}'`;
}

function bootstrapText(points: number, waiting: readonly string[]): string {
  const held =
    points === 1 ? '1 point waits in the log.' : `${count(points)} points wait in the log.`;
  const why =
    waiting.length > 0 ? waiting.join('; ') : 'waiting until there are enough to begin with';
  return `${held} The first model: ${why}.`;
}

function onStatus(next: Status): void {
  status = next;
  shown.modelVersion = next.model?.version ?? null;
  shown.pointsPerSecond = next.throughput.pointsPerSecond;
  shown.lagRecords = next.lag?.records ?? null;
  map.setShares(new Map(next.clusters.map(({ clusterId, share }) => [clusterId, share])));
  showPanels();
}

function onMap(frame: MapFrame): void {
  if (isPaused) return;
  const { points, explained, dimensions, basisVersion, modelVersion, clusters } = frame.text;
  shown.basisVersion = basisVersion;
  map.show(frame);
  byId('empty').hidden = true;
  const seen =
    dimensions > 2 ? ` · ${percent(explained)} of the variance of ${dimensions} dimensions` : '';
  const faint =
    explained < 0.3 ? ' · a faint picture: clusters may overlap here and not there' : '';
  byId('map-note').textContent = `${count(points)} recent points${seen}${faint}`;
  canvas.setAttribute(
    'aria-label',
    `${points} recent points in ${clusters.length} clusters, model ${modelVersion}`,
  );
}

function onState(state: ConnectionState): void {
  shown.connection = state;
  const pill = byId('connection');
  pill.dataset.state = state;
  if (pill.textContent !== state) pill.textContent = state;
}

canvas.onmousemove = ({ offsetX, offsetY }) => {
  const at = map.centroidAt(offsetX, offsetY);
  canvas.style.cursor = at === undefined ? 'default' : 'pointer';
  if (at !== hovered) onHover(at);
};
canvas.onmouseleave = () => onHover(undefined);
canvas.onclick = ({ offsetX, offsetY }) => {
  const at = map.centroidAt(offsetX, offsetY);
  if (at !== undefined) onSelect(at);
};

byId('pause').onclick = () => {
  isPaused = !isPaused;
  byId('pause').setAttribute('aria-pressed', String(isPaused));
  byId('pause').textContent = isPaused ? 'Resume' : 'Pause';
};

const rememberedTheme = localStorage.getItem('theme');
if (rememberedTheme !== null) document.documentElement.dataset.theme = rememberedTheme;
byId('theme').onclick = () => {
  const theme = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
  map.redraw();
  showPanels();
};
matchMedia('(prefers-color-scheme: light)').onchange = () => {
  map.redraw();
  showPanels();
};

connectKPanel();
connectModelsPanel();
connect('/v1/map/live', { onState, onStatus, onMap });
