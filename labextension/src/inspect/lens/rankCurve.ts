/** The rank of one token over the layers, next to their rows: log axis, 1 at the right. */

import { points, svg } from '../../ui/svg.js';

/** Pixels: a layer's row, and the width of the chart. */
export const ROW = 22;
export const CHART = 216;

export class RankAxis {
  private readonly most: number;

  /** `ranks` count from 0. */
  constructor(ranks: Float64Array) {
    let most = 10;
    for (let n = 0; n < ranks.length; n++) most = Math.max(most, ranks[n]! + 1);
    this.most = most;
  }

  /** `rank` counts from 1. */
  x(rank: number): number {
    return CHART - 18 - (Math.log(rank) / Math.log(this.most * 1.6)) * (CHART - 34);
  }

  /** The ranks that are named, and where they stand. */
  marks(): [string, number][] {
    return [1, 10, 100, 1000, 10000, 100000]
      .filter(rank => rank <= this.most * 2)
      .map(rank => [rank >= 1000 ? `${rank / 1000}k` : String(rank), this.x(rank)]);
  }
}

/** Ranks count from 1, one a layer; those of watched tokens are dashed. */
export function curveFigure(
  ranks: readonly number[],
  watched: readonly (readonly number[])[],
  layer: number,
  label: string,
  name: string,
  axis: RankAxis,
  row: number,
): SVGSVGElement {
  const height = ranks.length * row;
  const ys = ranks.map((_, n) => n * row + row / 2 - 1);
  const picture = svg('svg', {
    width: CHART,
    height,
    role: 'img',
    'aria-label': `rank of ${name} by layer: ${ranks.join(', ')}`,
  });
  const line = (of: readonly number[], name?: string) =>
    svg('polyline', {
      class: name,
      points: points(
        of.map(rank => axis.x(rank)),
        ys,
      ),
    });
  const marked = { x: -2, y: layer * row - 0.5, width: CHART + 4, height: row - 1 };
  picture.append(svg('rect', { class: 'marked', ...marked }));
  for (const [, x] of axis.marks()) picture.append(svg('line', { x1: x, x2: x, y1: 0, y2: height }));
  for (const [n, series] of watched.entries()) picture.append(line(series, `w${n + 1}`));
  picture.append(line(ranks));
  for (const [n, rank] of ranks.entries())
    picture.append(svg('circle', { cx: axis.x(rank), cy: ys[n]!, r: n === layer ? 5 : 3 }));
  const x = axis.x(ranks[layer]!);
  const right = x < CHART / 2;
  const place = { x: x + (right ? 10 : -10), y: ys[layer]! + 4, 'text-anchor': right ? 'start' : 'end' };
  picture.append(svg('text', { class: 'now', ...place }, label));
  return picture;
}
