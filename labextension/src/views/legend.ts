/** Which colour and which line is which number. */

import { h } from '../dom.js';
import type { Measure } from './steps.js';

export const LEGEND_STYLE = `
.legend{display:inline-flex;gap:8px;font-size:11px;color:var(--llm-fg2)}
.legend .swatches{display:flex}
.legend i{display:block;width:28px;height:12px;border-bottom:0 solid var(--llm-heat-line);box-sizing:border-box;position:relative;font-style:normal}
.legend i.s0{border:1px solid var(--llm-line2)}
.legend i.s3{border-bottom-width:1px}.legend i.s4{border-bottom-width:2px}.legend i.s5{border-bottom-width:3px}
.legend i[data-n]::before{content:attr(data-n);position:absolute;left:-12px;width:24px;top:13px;text-align:center;line-height:13px}
.legend-box{min-height:26px}`;

export function legend(measure: Measure): HTMLElement {
  const swatches = [0, 1, 2, 3, 4, 5].map(step =>
    h('i', { class: `s${step}`, 'data-n': step ? measure.edges[step - 1]! : undefined }),
  );
  const words = measure.edges
    .map((edge, n) => `step ${n + 1} ${measure.falling ? 'below' : 'from'} ${edge}`)
    .join(', ');
  return h(
    'span',
    { class: 'legend', role: 'img', 'aria-label': `${measure.unit}: ${words}` },
    measure.unit,
    h('span', { class: 'swatches' }, ...swatches),
  );
}
