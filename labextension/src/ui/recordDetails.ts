/** The model that a view is of, as one quiet word; what there is to know of it opens below. */

import type { ModelInfo } from '../protocol/record.js';
import { h, icon } from './dom.js';
import { visible } from './format.js';

const PRECISIONS: Record<string, string> = {
  repacked: 'as packed in its file, each with the same bits (repacked)',
  exact: 'exactly as in its file',
};

export function recordDetails(model: ModelInfo): HTMLElement[] {
  if (!model.name) return [];
  const rows = [
    ['model', model.name],
    ['weights', PRECISIONS[model.precision] ?? model.precision],
    ['license', model.licence],
    ['revision', model.revision],
    ['fingerprint', model.fingerprint.slice(0, 12)],
  ].filter(([, value]) => value);
  const list = rows.flatMap(([name, value]) => [h('dt', {}, name!), h('dd', {}, visible(value!))]);
  const title = 'about this model';
  return [
    h(
      'details',
      { class: 'about' },
      h('summary', { title }, `${visible(model.name)} `, icon('info')),
      h('dl', {}, ...list),
    ),
  ];
}
