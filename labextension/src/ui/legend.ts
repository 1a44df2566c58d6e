/** Which colour and which line is which number. */

import { h } from './dom.js';
import type { Measure } from './measures.js';

/** The steps of a measure of the strip. */
export function legend(measure: Measure): HTMLElement {
  const steps = [0, 1, 2, 3, 4, 5].map(step =>
    h('i', { class: `s${step}`, 'data-n': step ? measure.edges[step - 1]! : undefined }),
  );
  const words = measure.edges
    .map((edge, n) => `step ${n + 1} ${measure.falling ? 'below' : 'from'} ${edge}`)
    .join(', ');
  return swatches(measure.unit, words, steps);
}

/** The steps of a scale of the inspection views: `m` grows with probability mass, `h` with heat. */
export function colorScale(
  unit: string,
  letter: 'm' | 'h',
  edges: readonly (number | string)[],
): HTMLElement {
  const steps = edges.map((edge, n) => h('i', { class: `${letter}${n + 1}`, 'data-n': edge }));
  return swatches(unit, `steps at ${edges.join(', ')}`, [h('i', { class: 'none' }), ...steps]);
}

function swatches(unit: string, words: string, steps: HTMLElement[]): HTMLElement {
  return h(
    'span',
    { class: 'legend', role: 'img', 'aria-label': `${unit}: ${words}` },
    unit,
    h('span', { class: 'swatches' }, ...steps),
  );
}
