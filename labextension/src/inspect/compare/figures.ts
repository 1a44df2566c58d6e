/** The figures next to a comparison: the mean with its interval, and how many tokens differ by how much. */

import { signed } from '../../ui/format.js';
import { svg } from '../../ui/svg.js';

export function intervalFigure(mean: number, low: number, high: number): SVGSVGElement {
  const reach = Math.max(Math.abs(low), Math.abs(high), 1e-3) * 1.4;
  const x = (value: number) => 150 + (value / reach) * 140;
  const up = mean > 0 ? ' up' : '';
  const picture = svg('svg', { viewBox: '0 0 300 46', height: 46 });
  picture.append(
    svg('line', { class: 'zero', x1: 150, x2: 150, y1: 2, y2: 28 }),
    svg('line', { class: `ci${up}`, x1: x(low), x2: x(high), y1: 15, y2: 15 }),
  );
  for (const end of [low, high])
    picture.append(svg('line', { class: `ci${up}`, x1: x(end), x2: x(end), y1: 10, y2: 20 }));
  picture.append(svg('circle', { class: `dot${up}`, cx: x(mean), cy: 15, r: 5.5 }));
  for (const value of [-reach / 1.4, 0, reach / 1.4])
    picture.append(svg('text', { x: x(value), y: 42 }, value ? signed(value, 2) : '0'));
  return picture;
}

/** How many tokens have which difference; `edge` is where the last step of the colours begins. */
export function histogramFigure(deltas: readonly number[], edge: number): SVGSVGElement {
  const bins = 13;
  const reach = edge * 1.6;
  const counts = new Array<number>(bins).fill(0);
  for (let n = 0; n < deltas.length; n++) {
    const at = Math.floor(((deltas[n]! + reach) / (2 * reach)) * bins);
    counts[Math.max(0, Math.min(bins - 1, at))]!++;
  }
  const most = Math.max(...counts, 1);
  const picture = svg('svg', { viewBox: '0 0 300 92', height: 92, class: 'map' });
  for (const [n, many] of counts.entries()) {
    const tall = (70 * many) / most;
    const name = n === (bins - 1) / 2 ? '' : n < bins / 2 ? 'l' : 'g';
    picture.append(
      svg('rect', {
        class: name,
        x: (n * 300) / bins,
        y: 72 - tall,
        width: 300 / bins - 3,
        height: tall,
        fill: 'var(--llm-fg3)',
      }),
    );
  }
  for (const [share, value] of [
    [0.12, -reach * 0.76],
    [0.5, 0],
    [0.88, reach * 0.76],
  ] as const)
    picture.append(svg('text', { x: 300 * share, y: 88 }, value ? signed(value, 1) : '0'));
  return picture;
}
