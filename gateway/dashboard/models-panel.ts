// "Models": the retrain under way, versions with their aliases and quality, and the table of challengers. The retrain comes with every
// status; the rest is asked for while the panel is open.

import { count, decimal, duration, percent, timeOfDay } from './format.ts';
import { byId } from './panels.ts';
import type { Retrain } from './protocol.ts';

interface ModelRow {
  readonly version: string;
  readonly parent: string | null;
  readonly createdAt: string;
  readonly origin: string;
  readonly k: number;
  readonly offsets: Readonly<Record<string, { readonly from: number; readonly to: number }>>;
  readonly quality: { readonly meanSquaredDistance: number };
  readonly aliases: readonly string[];
}

interface Alias {
  readonly alias: string;
  readonly version: string | null;
}

interface HalfLife {
  readonly unit: 'points' | 'batches' | 'ms';
  readonly value: number;
}

interface Contender {
  readonly name: string;
  readonly k: number;
  readonly halfLife: HalfLife;
  readonly isBaseline: boolean;
  readonly meanSquaredDistance: number;
  readonly change: number;
  readonly silhouette: number;
  readonly idStability: number;
  readonly confidence: number;
}

interface Challengers {
  readonly latest: {
    readonly contenders: readonly Contender[];
    readonly recommended: string | null;
    readonly reasons: readonly string[];
    readonly points: number;
  } | null;
}

const refreshMs = 2_000;
const versionsShown = 12;

export function connectModelsPanel(): void {
  const dialog = byId<HTMLDialogElement>('models-dialog');
  let timer = 0;
  byId('models-ask').onclick = () => {
    dialog.showModal();
    say('');
    void refresh();
    timer = setInterval(() => void refresh(), refreshMs);
  };
  dialog.onclose = () => clearInterval(timer);
  byId('models-close').onclick = () => dialog.close();
  byId('retrain-ask').onclick = () => void send('POST', '/v1/retrains', { reason: 'dashboard' });
  byId('retrain-cancel').onclick = () => {
    const { id } = byId('retrain-row').dataset;
    if (id !== undefined) void send('DELETE', `/v1/retrains/${id}`);
  };
  byId('rollback-ask').onclick = () => {
    const text = 'Go back to the model that the current one has replaced?';
    if (confirm(text)) void send('POST', '/v1/rollbacks', { reason: 'dashboard' });
  };
}

/** @param nowMs the gateway's clock */
export function showRetrain(retrain: Retrain | null, nowMs: number): void {
  const isRunning = retrain?.state === 'running';
  const share = isRunning ? (retrain.progress?.share ?? null) : null;
  const bar = byId<HTMLProgressElement>('retrain-bar');
  bar.hidden = !isRunning;
  if (share === null) bar.removeAttribute('value');
  else bar.value = share;
  const row = byId('retrain-row').dataset;
  row.state = retrain?.state ?? 'none';
  row.id = retrain?.id ?? '';
  byId('retrain-cancel').hidden = !isRunning && retrain?.state !== 'requested';
  byId('retrain-text').textContent = retrainText(retrain, nowMs);
  byId('last-retrain').textContent = stripText(retrain, nowMs);
}

function retrainText(retrain: Retrain | null, nowMs: number): string {
  if (retrain === null) return 'No retrain has been asked for yet.';
  const { id, state, trigger, progress, report, error, startedAtMs, endedAtMs } = retrain;
  const who = `Retrain ${id} (${trigger})`;
  if (state === 'requested') return `${who} waits for a process that runs it.`;
  if (state === 'running') {
    const seconds = duration(nowMs - (startedAtMs ?? nowMs));
    return `${who}: ${progress === null ? 'begins' : `${progress.phase}, ${progress.text}`} · ${seconds}`;
  }
  const at = endedAtMs === null ? '' : ` at ${timeOfDay(endedAtMs)}`;
  if (report === null) return `${who}: ${state}${at}${error === null ? '' : `. ${error.detail}`}`;
  const change = percentChange(report.inertia / report.parentInertia - 1);
  const fate = report.promoted ? 'promoted' : 'a candidate, not promoted';
  return `${who}: ${report.version} from ${count(report.points)} points${at}, inertia ${change} against ${report.parent}; ${fate}.`;
}

function stripText(retrain: Retrain | null, nowMs: number): string {
  if (retrain === null) return '–';
  const { state, progress, endedAtMs } = retrain;
  if (state === 'running') {
    const share = progress?.share ?? null;
    return share === null ? (progress?.phase ?? 'begins') : percent(share);
  }
  if (state === 'done' && endedAtMs !== null) return `${duration(nowMs - endedAtMs)} ago`;
  return state;
}

async function refresh(): Promise<void> {
  try {
    const [models, aliases, challengers] = await Promise.all([
      get<{ models: ModelRow[] }>('/v1/models'),
      get<{ aliases: Alias[] }>('/v1/aliases'),
      get<Challengers>('/v1/challengers'),
    ]);
    showVersions(models.models, aliases.aliases);
    showChallengers(challengers);
  } catch {
    say('The gateway does not answer; what is shown may be old.');
  }
}

async function get<T>(path: string): Promise<T> {
  return (await (await fetch(path)).json()) as T;
}

async function send(method: string, path: string, body?: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const given = body === undefined ? {} : { headers, body: JSON.stringify(body) };
  const response = await fetch(path, { method, ...given });
  const answer = (await response.json()) as { detail?: string };
  say(response.ok ? 'Asked for.' : (answer.detail ?? 'The gateway refused.'));
  await refresh();
}

function say(text: string): void {
  byId('models-answer').textContent = text;
}

function showVersions(models: readonly ModelRow[], aliases: readonly Alias[]): void {
  byId('versions-empty').hidden = models.length > 0;
  byId('versions-table').hidden = models.length === 0;
  const left = models.length - versionsShown;
  byId('versions-note').textContent =
    `${count(models.length)} kept${left > 0 ? `, the newest ${versionsShown} shown` : ''}`;
  const rows = models.slice(0, versionsShown).map((model) => versionRow(model, aliases));
  byId('versions').replaceChildren(...rows);
}

function versionRow(model: ModelRow, aliases: readonly Alias[]): HTMLTableRowElement {
  const { version, parent, createdAt, origin, k, offsets, quality } = model;
  const named = aliases.filter((alias) => alias.version === version).map(({ alias }) => alias);
  const names = [...new Set([...model.aliases, ...named])];
  const points = Object.values(offsets).reduce((sum, { from, to }) => sum + to - from, 0);
  const row = document.createElement('tr');
  row.dataset.version = version;
  row.append(
    cell(version, 'name'),
    aliasCell(names),
    cell(parent === null ? origin : `${origin} of ${parent}`),
    cell(String(k), 'number'),
    cell(count(points), 'number'),
    cell(decimal(quality.meanSquaredDistance), 'number'),
    cell(timeOfDay(Date.parse(createdAt)), 'number'),
    names.includes('champion') ? cell('in use', 'number quiet') : promoteCell(version),
  );
  return row;
}

function aliasCell(names: readonly string[]): HTMLTableCellElement {
  const made = cell('');
  for (const name of names) {
    const label = document.createElement('span');
    label.className = 'alias';
    label.textContent = name;
    made.append(label);
  }
  return made;
}

function promoteCell(version: string): HTMLTableCellElement {
  const made = cell('', 'number');
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Use';
  button.title = `Make ${version} the champion`;
  button.onclick = () => {
    if (!confirm(`Assign points with ${version} from now on?`)) return;
    void send('PUT', '/v1/aliases/champion', { version, reason: 'dashboard' });
  };
  made.append(button);
  return made;
}

function showChallengers({ latest }: Challengers): void {
  byId('challengers-empty').hidden = latest !== null;
  byId('challengers-table').hidden = latest === null;
  byId('challengers-reasons').textContent = latest?.reasons.join(' ') ?? '';
  byId('challengers-note').textContent =
    latest === null ? '' : `on a sample that stands for ${count(latest.points)} points`;
  const rows = latest?.contenders.map((contender) => contenderRow(contender, latest.recommended));
  byId('challengers').replaceChildren(...(rows ?? []));
}

function contenderRow(contender: Contender, recommended: string | null): HTMLTableRowElement {
  const { name, k, halfLife, isBaseline, meanSquaredDistance, change } = contender;
  const row = document.createElement('tr');
  row.setAttribute('aria-selected', String(name === recommended));
  row.append(
    cell(name === recommended ? `► ${name}` : name, 'name'),
    cell(String(k), 'number'),
    cell(halfLifeText(halfLife), 'number'),
    cell(decimal(meanSquaredDistance), 'number'),
    cell(isBaseline ? '' : percentChange(change), 'number'),
    cell(contender.silhouette.toFixed(3), 'number'),
    cell(percent(contender.idStability), 'number'),
    cell(isBaseline ? 'baseline' : contender.confidence.toFixed(2), 'number'),
  );
  return row;
}

function cell(text: string, className = ''): HTMLTableCellElement {
  const made = document.createElement('td');
  made.textContent = text;
  made.className = className;
  return made;
}

function percentChange(change: number): string {
  return `${change >= 0 ? '+' : '−'}${Math.abs(100 * change).toFixed(1)} %`;
}

function halfLifeText({ unit, value }: HalfLife): string {
  return unit === 'ms' ? duration(value) : `${count(value)} ${unit}`;
}
