// A small line over time, as SVG: it takes its colours from the style sheet and stays sharp at any size.

const svgNamespace = 'http://www.w3.org/2000/svg';
const width = 300;
const height = 60;

export interface SparklineOptions {
  /** Dashed, with the scale reaching at least there. */
  readonly limit?: number;
  /** How many values fill the width; fewer begin at the right. */
  readonly slots: number;
}

export function drawSparkline(
  place: HTMLElement,
  values: readonly number[],
  { limit, slots }: SparklineOptions,
): void {
  const top = 1.08 * Math.max(...values, limit ?? 0, 1e-9);
  const first = Math.max(0, slots - values.length);
  const x = (i: number) => ((first + i) / Math.max(1, slots - 1)) * width;
  const y = (value: number) => height - (Math.max(0, value) / top) * height;
  const steps = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`);
  const svg = element('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none' });
  svg.setAttribute('aria-hidden', 'true');
  const across = { x1: '0', x2: String(width) };
  svg.append(element('line', { class: 'base', ...across, y1: `${height}`, y2: `${height}` }));
  if (limit !== undefined) {
    const at = y(limit).toFixed(1);
    svg.append(element('line', { class: 'limit', ...across, y1: at, y2: at }));
  }
  if (steps.length > 1) {
    const [left, right] = [x(0).toFixed(1), x(values.length - 1).toFixed(1)];
    const outline = `M${left},${height} L${steps.join(' L')} L${right},${height} Z`;
    svg.append(element('path', { class: 'area', d: outline }));
    svg.append(element('path', { class: 'stroke', d: `M${steps.join(' L')}` }));
  }
  place.replaceChildren(svg);
}

function element(name: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const made = document.createElementNS(svgNamespace, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
