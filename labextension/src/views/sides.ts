/** One prompt, answered before and after: what is gone is dotted, what is new is marked. */

import { h } from '../dom.js';
import { count, fixed, visible } from '../format.js';
import type { Answer, Asked, TuneRecord } from '../tuning.js';

export const SIDES_STYLE = `
.pair{display:grid;grid-template-columns:1fr 1fr;gap:24px}
.side{border-left:3px solid var(--llm-line2);padding:2px 0 2px 16px;min-width:0}.side.after{border-color:var(--llm-mass-solid)}
.side .body{font:15px/27px var(--llm-text);white-space:pre-wrap;overflow-wrap:anywhere;max-width:41em}
.gone{text-decoration:underline dotted;text-decoration-thickness:2px;text-underline-offset:4px}
.come{background:var(--llm-mass-2);color:var(--llm-on);border-bottom:2px solid var(--llm-mass-line);border-radius:2px}`;

export function sides(shown: Asked, record: TuneRecord): HTMLElement[] {
  const last = shown.after.at(-1);
  const lost = new Set(last?.lost ?? []);
  const before = h(
    'div',
    { class: 'side' },
    h('div', { class: 'fg2' }, 'before · base'),
    h(
      'div',
      { class: 'body' },
      ...shown.before.flatMap((text, n) => (lost.has(n) ? marked(text, 'gone') : [visible(text)])),
    ),
  );
  if (!last) return [before, h('div', { class: 'side after' }, h('div', { class: 'fg2' }, waiting(record)))];
  return [before, afterSide(last)];
}

function afterSide(answer: Answer): HTMLElement {
  return h(
    'div',
    { class: 'side after' },
    h('div', { class: 'fg2' }, `after · step ${count(answer.step)}, strength ${fixed(answer.strength, 2)}`),
    h(
      'div',
      { class: 'body' },
      ...answer.text.flatMap(([text, mark]) => (mark ? marked(text, 'come') : [visible(text)])),
    ),
  );
}

/** A mark word by word, so that the space before a word stays plain. */
function marked(text: string, name: string): (string | HTMLElement)[] {
  return visible(text)
    .split(/(\s+)/)
    .filter(Boolean)
    .map(part => (part.trim() ? h('span', { class: name }, part) : part));
}

function waiting(record: TuneRecord): string {
  return record.final ? 'no answer with the adapter yet' : 'after · the answer comes with the first steps';
}
