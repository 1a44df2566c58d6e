/** The shares of labels as one bar, a part for each. */

import { h } from '../ui/dom.js';

/** Parts with their titles; `spoken` is the bar in words. */
export function shareStack(
  labels: readonly { title: string; share: number }[],
  spoken: string,
  name = 'stack',
): HTMLElement {
  const parts = labels.map(({ title, share }, n) => {
    const part = h('i', { class: `part-${n % 3}`, title });
    part.style.width = `${100 * share}%`;
    return part;
  });
  return h('span', { class: name, role: 'img', 'aria-label': spoken }, ...parts);
}
