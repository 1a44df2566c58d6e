/** The figures of attention: a head as a small picture, and arcs over the text. */

import type { Numbers } from '../../protocol/arrays.js';
import { h } from '../../ui/dom.js';
import { percent, tokenWord } from '../../ui/format.js';
import { svg } from '../../ui/svg.js';

/** One head, in one colour: the darker, the more weight. */
export function paintThumb(
  canvas: HTMLCanvasElement,
  thumbs: Numbers,
  layer: number,
  head: number,
  ink: readonly number[],
): void {
  const [, heads, side] = thumbs.shape as [number, number, number];
  canvas.width = canvas.height = side;
  const paint = canvas.getContext('2d');
  if (!paint) return;
  const image = paint.createImageData(side, side);
  const begin = (layer * heads + head) * side * side;
  for (let n = 0; n < side * side; n++) {
    // The first column rests, whatever the head does: it would hide all else.
    const weight = n % side === 0 && side > 2 ? 0 : thumbs.data[begin + n]!;
    image.data.set([ink[0]!, ink[1]!, ink[2]!, Math.round(255 * Math.sqrt(weight))], 4 * n);
  }
  paint.putImageData(image, 0, 0);
}

/** From the one token, as wide as the weight; none under 1 %. */
export function arcsOver(
  texts: readonly string[],
  weights: readonly number[],
  from: number,
  best: number,
  choose: (n: number) => void,
): HTMLElement {
  const wide = texts.map(text => Math.max(14, 8 * tokenWord(text).length + 6));
  // Of a long text, the tokens that matter and their neighbours would not fit: only those seen.
  const shown = texts
    .map((_, n) => n)
    .filter(n => texts.length <= 40 || n === from || (weights[n] ?? 0) >= 0.01);
  const place = new Map<number, number>();
  let x = 4;
  for (const n of shown) {
    place.set(n, x + wide[n]! / 2);
    x += wide[n]!;
  }
  const high = Math.min(150, 30 + x / 5);
  const picture = svg('svg', {
    viewBox: `0 0 ${Math.max(x + 24, 40)} ${high + 44}`,
    style: `width:${Math.max(x + 24, 40)}px`, // wider ones scroll: smaller letters could not be read
    role: 'img',
    'aria-label': `arcs from ${tokenWord(texts[from] ?? '')}`,
  });
  const end = place.get(from)!;
  for (const n of shown) {
    const weight = weights[n] ?? 0;
    const to = place.get(n)!;
    if (weight >= 0.01) {
      const tall = n === from ? 20 : Math.max(18, Math.min(high - 6, Math.abs(end - to) * 0.42));
      const path =
        n === from
          ? `M${to - 8},${high} C${to - 8},${high - 24} ${to + 8},${high - 24} ${to + 8},${high}`
          : `M${to},${high} C${to},${high - tall * 1.3} ${end},${high - tall * 1.3} ${end},${high}`;
      picture.append(
        svg('path', { d: path, 'stroke-width': Math.max(1, 11 * weight), class: n === best ? 'most' : '' }),
      );
    }
    const name = n === from ? 'from' : weight >= 0.1 ? 'lit' : '';
    const word = svg(
      'text',
      { x: to, y: high + 18, 'text-anchor': 'middle', class: name },
      tokenWord(texts[n]!).replace(/^␣/, ''),
    );
    word.addEventListener('click', () => choose(n));
    picture.append(word);
    if (weight >= 0.1)
      picture.append(
        svg('text', { x: to, y: high + 34, 'text-anchor': 'middle', class: 'p' }, percent(weight)),
      );
  }
  return h('div', { class: 'arcs' }, picture);
}
