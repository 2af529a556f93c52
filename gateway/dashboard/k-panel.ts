// "How many clusters?": asks the gateway for a recommendation and draws the curve of every criterion.

import { count, decimal } from './format.ts';
import { byId } from './panels.ts';

interface CurvePoint {
  readonly k: number;
  readonly inertia: number;
  readonly calinskiHarabasz?: number;
  readonly daviesBouldin?: number;
  readonly silhouette?: number;
  readonly gap: number;
  readonly overlap: number;
}

interface Report {
  readonly k: number;
  readonly confidence: number;
  readonly reasons: readonly string[];
  readonly votes: readonly { readonly criterion: string; readonly k: number }[];
  readonly curve: readonly CurvePoint[];
  readonly currentK: number;
  readonly points: number;
}

interface Recommendation {
  readonly id: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly progress: { readonly records: number; readonly of: number } | null;
  readonly report: Report | null;
  readonly error: { readonly detail: string } | null;
}

const criteria: readonly [string, string, (point: CurvePoint) => number | undefined][] = [
  ['separation', 'Overlap', ({ k, overlap }) => (k === 1 ? undefined : overlap)],
  ['gap', 'Gap', ({ gap }) => gap],
  ['silhouette', 'Silhouette', ({ silhouette }) => silhouette],
  ['calinskiHarabasz', 'Calinski-Harabasz', ({ calinskiHarabasz }) => calinskiHarabasz],
  ['daviesBouldin', 'Davies-Bouldin', ({ daviesBouldin }) => daviesBouldin],
  ['elbow', 'Inertia', ({ inertia }) => inertia],
];

const pollMs = 300;
const width = 300;
const height = 84;

export function connectKPanel(): void {
  const dialog = byId<HTMLDialogElement>('k-dialog');
  byId('k-ask').onclick = () => {
    dialog.showModal();
    void ask();
  };
  byId('k-close').onclick = () => dialog.close();
}

async function ask(): Promise<void> {
  say('Reading the log…');
  byId('k-charts').replaceChildren();
  byId('k-reasons').replaceChildren();
  const started = await fetch('/v1/k-recommendations', { method: 'POST' });
  const answer = (await started.json()) as Recommendation & { detail?: string };
  if (!started.ok) return say(answer.detail ?? 'The gateway refused.');
  await follow(answer.id);
}

async function follow(id: string): Promise<void> {
  for (;;) {
    const response = await fetch(`/v1/k-recommendations/${id}`);
    const { state, progress, report, error } = (await response.json()) as Recommendation;
    if (state === 'failed') return say(error?.detail ?? 'It failed.');
    if (report !== null) return show(report);
    if (progress !== null)
      say(`Reading the log: ${count(progress.records)} of ${count(progress.of)} points…`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function say(text: string): void {
  byId('k-answer').textContent = text;
}

function show(report: Report): void {
  const { k, confidence, reasons, currentK, points } = report;
  const what = k === 1 ? 'No clusters (K = 1)' : `K = ${k}`;
  say(
    `${what}, confidence ${confidence.toFixed(2)}; the model has ${currentK}. ${count(points)} points.`,
  );
  byId('k-reasons').replaceChildren(...reasons.map((reason) => textElement('li', reason)));
  byId('k-charts').replaceChildren(
    ...criteria.map(([criterion, title, numberOf]) => {
      const voted = report.votes.find((vote) => vote.criterion === criterion)?.k;
      const figure = document.createElement('figure');
      const caption = textElement('figcaption', title);
      caption.append(textElement('b', voted === undefined ? '–' : `says ${voted}`));
      figure.append(caption, chart(report, numberOf, voted));
      return figure;
    }),
  );
}

function textElement(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function chart(
  { curve, k: recommended }: Report,
  numberOf: (point: CurvePoint) => number | undefined,
  voted: number | undefined,
): SVGElement {
  const known = curve.flatMap((point) => {
    const value = numberOf(point);
    return typeof value === 'number' ? [{ k: point.k, value }] : [];
  });
  const least = Math.min(...known.map(({ value }) => value));
  const span = Math.max(...known.map(({ value }) => value)) - least || 1;
  const x = (k: number) =>
    (10 + ((k - 1) / Math.max(1, curve.length - 1)) * (width - 20)).toFixed(1);
  const y = (value: number) => (height - 10 - ((value - least) / span) * (height - 20)).toFixed(1);
  const svg = svgElement('svg', { viewBox: `0 0 ${width} ${height}` });
  const guide = { x1: x(recommended), x2: x(recommended), y1: '0', y2: String(height) };
  svg.append(svgElement('line', { class: 'limit', ...guide }));
  const steps = known.map(({ k, value }) => `${x(k)},${y(value)}`);
  svg.append(svgElement('path', { class: 'stroke', d: `M${steps.join(' L')}` }));
  for (const { k, value } of known) {
    const dot = svgElement('circle', { cx: x(k), cy: y(value), r: k === voted ? '5' : '2.2' });
    dot.classList.toggle('voted', k === voted);
    const title = svgElement('title', {});
    title.textContent = `K = ${k}: ${decimal(value)}`;
    dot.append(title);
    svg.append(dot);
  }
  return svg;
}

function svgElement(name: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
