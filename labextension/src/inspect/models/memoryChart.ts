/** Memory by tokens of context: the axis of tokens is logarithmic, that of bytes is not. */

import { bytes, count } from '../../ui/format.js';
import { points, svg } from '../../ui/svg.js';

const WIDTH = 400;
const HEIGHT = 190;
const LEFT = 30;
const RIGHT = 64;
const TOP = 10;
const BOTTOM = 22;
const SAMPLES = 60;

export interface MemoryAt {
  tokens: number;
  bytes: number;
}

/** Draw the curve, what is free, and the place where it is reached. */
export function memoryChart(curve: readonly MemoryAt[], free: number, fitting: number): SVGSVGElement {
  const first = curve[0]!;
  const last = curve.at(-1)!;
  const high = Math.max(last.bytes, Math.min(free * 1.1, last.bytes * 1.4)) * 1.08;
  const span = Math.log(last.tokens / first.tokens) || 1;
  const x = (tokens: number) => LEFT + (Math.log(tokens / first.tokens) / span) * (WIDTH - LEFT - RIGHT);
  const y = (size: number) => TOP + (1 - size / high) * (HEIGHT - TOP - BOTTOM);
  const perToken = curve.length > 1 ? (last.bytes - first.bytes) / (last.tokens - first.tokens) : 0;
  const ground = first.bytes - perToken * first.tokens;
  // A straight line in tokens is a curve over their logarithm.
  const along = Array.from(
    { length: SAMPLES },
    (_, n) => first.tokens * Math.exp((span * n) / (SAMPLES - 1)),
  );
  const right = WIDTH - RIGHT;
  const word = (text: string, at: number, line: number, kind = '', anchor = 'start') =>
    svg('text', { x: at, y: line, class: kind, 'text-anchor': anchor }, text);
  const steps = gridOf(high / 1e9);
  const chart = svg('svg', {
    class: 'memory',
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: 'img',
    'aria-label': `memory from ${bytes(first.bytes)} with ${count(first.tokens)} tokens to ${bytes(last.bytes)} with ${count(last.tokens)}; ${bytes(free)} are free`,
  });
  if (free < high)
    chart.append(svg('rect', { class: 'over', x: LEFT, y: TOP, width: right - LEFT, height: y(free) - TOP }));
  for (const step of steps)
    chart.append(
      svg('line', { class: 'grid', x1: LEFT, x2: right, y1: y(step * 1e9), y2: y(step * 1e9) }),
      word(String(step), LEFT - 6, y(step * 1e9) + 4, '', 'end'),
    );
  chart.append(
    svg('rect', { class: 'ground', x: LEFT, y: y(ground), width: right - LEFT, height: y(0) - y(ground) }),
    word('weights and work', LEFT + 6, y(0) - 5),
    svg('polyline', {
      class: 'curve',
      points: points(
        along.map(x),
        along.map(tokens => y(ground + perToken * tokens)),
      ),
    }),
    word(bytes(last.bytes), right + 6, y(last.bytes) + 4, 'strong'),
  );
  if (free < high) {
    chart.append(
      svg('line', { class: 'limit', x1: LEFT, x2: right, y1: y(free), y2: y(free) }),
      word(`${bytes(free)} free here`, LEFT + 6, y(free) - 5, 'strong'),
    );
    if (fitting > first.tokens && fitting < last.tokens)
      chart.append(
        svg('circle', { class: 'reached', cx: x(fitting), cy: y(ground + perToken * fitting), r: 4.5 }),
      );
  }
  const shown = curve.filter((_, n) => n % 2 === 0 && n < curve.length - 2);
  for (const item of [...shown, last])
    chart.append(word(count(item.tokens), x(item.tokens), HEIGHT - 6, '', item === last ? 'end' : 'middle'));
  return chart;
}

/** Round numbers of gigabytes up to `high`, four at most. */
function gridOf(high: number): number[] {
  const rough = high / 4;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(times => times * unit).find(size => size >= rough)!;
  const found: number[] = [];
  for (let n = 0; n * step <= high; n++) found.push(Number((n * step).toPrecision(3)));
  return found;
}
