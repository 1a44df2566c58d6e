/** One prompt, answered before and after: what is gone is dotted, what is new is marked. */

import type { PromptAnswers, TunedAnswer, TuningRecord } from '../protocol/tuning.js';
import { h } from '../ui/dom.js';
import { count, fixed, visible } from '../ui/format.js';

export function beforeAfter(shown: PromptAnswers, record: TuningRecord): HTMLElement[] {
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

function afterSide(answer: TunedAnswer): HTMLElement {
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

function waiting(record: TuningRecord): string {
  return record.final ? 'no answer with the adapter yet' : 'after · the answer comes with the first steps';
}
