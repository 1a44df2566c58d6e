/** How often labels were right: by the share that the model gave them, and by label. */

import { numbersOf, textsOf } from '../../protocol/inspection.js';
import { columnHead } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { count, percent, shareOf, visible } from '../../ui/format.js';
import { svg } from '../../ui/svg.js';

const SIZE = 220;
const MARGIN = 30;

/** Points of the share that was given against how often it was right; undefined where there are none. */
export function reliabilityPlot(value: unknown): HTMLElement | undefined {
  const raw = Array.isArray(value) ? value : [];
  if (!raw.length) return undefined;
  const bins = raw.map(item => {
    const share = (name: string) => shareOf(item?.[name]);
    const [low = 0, high = 1] = numbersOf(item?.bounds);
    return {
      mean: share('mean'),
      right: share('right'),
      rows: Math.max(0, Number(item?.rows) || 0),
      low,
      high,
    };
  });
  const x = (p: number) => MARGIN + p * (SIZE - MARGIN - 14);
  const y = (p: number) => SIZE - MARGIN - p * (SIZE - MARGIN - 14);
  const most = Math.max(...bins.map(bin => bin.rows), 1);
  const total = bins.reduce((sum, bin) => sum + bin.rows, 0) || 1;
  const off = bins.reduce((sum, bin) => sum + bin.rows * Math.abs(bin.mean - bin.right), 0) / total;
  const ticks = [0, 0.5, 1].flatMap(p => [
    svg('text', { x: x(p), y: SIZE - MARGIN + 14, class: 'tick' }, String(100 * p)),
    svg('text', { x: MARGIN - 6, y: y(p) + 3, class: 'tick end' }, String(100 * p)),
  ]);
  const points = bins.flatMap(bin => [
    svg('line', { class: 'ci', x1: x(bin.mean), x2: x(bin.mean), y1: y(bin.low), y2: y(bin.high) }),
    svg('circle', {
      class: 'point',
      cx: x(bin.mean),
      cy: y(bin.right),
      r: 3 + 6 * Math.sqrt(bin.rows / most),
    }),
  ]);
  const words = bins.map(bin => `said ${percent(bin.mean)}, right ${percent(bin.right)}`).join('; ');
  return h(
    'section',
    {},
    h('h4', {}, 'Does it know when it is right?'),
    svg(
      'svg',
      { viewBox: `0 0 ${SIZE} ${SIZE}`, class: 'plot', role: 'img', 'aria-label': words },
      svg('line', { class: 'ideal', x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
      svg('line', { class: 'axis', x1: x(0), y1: y(0), x2: x(1), y2: y(0) }),
      svg('line', { class: 'axis', x1: x(0), y1: y(0), x2: x(0), y2: y(1) }),
      ...ticks,
      svg('text', { x: x(0.5), y: SIZE - 4, class: 'tick' }, 'said, %'),
      ...points,
    ),
    h(
      'p',
      { class: 'fg2' },
      `Off by ${(100 * off).toFixed(1)} points on average; below the line it is too sure.`,
    ),
  ) as HTMLElement;
}

/** Truth against label, with heat where they differ; undefined where there is none. */
export function confusionTable(value: unknown): HTMLElement | undefined {
  const data = (typeof value === 'object' && value ? value : {}) as Record<string, unknown>;
  const names = textsOf(data.names).map(visible);
  const counts = (Array.isArray(data.counts) ? data.counts : []).map(numbersOf);
  if (names.length < 2 || counts.length !== names.length) return undefined;
  const wrong = counts.flatMap((row, n) => row.filter((_, k) => k !== n));
  const most = Math.max(...wrong, 1);
  const cell = (value: number, same: boolean) => {
    const step = same || !(value > 0) ? 0 : Math.min(4, 1 + Math.floor((3.99 * value) / most));
    return h('td', { class: step ? `h${step}` : '' }, count(value));
  };
  const rows = names.map((name, n) =>
    h('tr', {}, h('th', { scope: 'row' }, name), ...names.map((_, k) => cell(counts[n]?.[k] ?? 0, k === n))),
  );
  const head = h('tr', {}, h('th', {}, 'truth ╲ label'), ...names.map(columnHead));
  return h(
    'section',
    {},
    h('h4', {}, 'Mixed up'),
    h(
      'div',
      { class: 'wide' },
      h('table', { class: 'confusion' }, h('thead', {}, head), h('tbody', {}, ...rows)),
    ),
  );
}

/** What a temperature does for the shares, and from which share on a label can be relied on. */
export function calibrationText(value: unknown): string {
  const data = (typeof value === 'object' && value ? value : {}) as Record<string, unknown>;
  const share = (item: unknown) => percent(shareOf(item));
  const temperature = Number(data.temperature);
  if (!(temperature > 0)) return '';
  const [part = 0, right = 0] = numbersOf(data.above);
  const told = `Divided by temperature ${temperature.toFixed(2)} the shares are off by ${share(data.after)} (${share(data.before)} before), judged on ${count(Number(data.rows))} other rows.${typeof data.isotonic === 'number' ? ` By isotonic regression they are off by ${share(data.isotonic)}.` : ''}`;
  if (typeof data.threshold !== 'number') return `${told} No share is right in 90 % of the rows.`;
  return `${told} From ${share(data.threshold)} on, which ${share(part)} of them reach, ${share(right)} are right.`;
}
