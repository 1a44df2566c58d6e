/** The model that a view is of, as one quiet word; what there is to know of it opens below. */

import { h, icon } from '../dom.js';
import { visible } from '../format.js';
import type { ModelInfo } from '../record.js';

export const ABOUT_STYLE = `
.about{max-width:100%}
.about summary{display:inline-block;cursor:pointer;list-style:none;border:1px solid var(--llm-line2);border-radius:10px;padding:1px 8px;max-width:22em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.about summary::-webkit-details-marker{display:none}
.about .icon{width:12px;height:12px;vertical-align:-2px}
.about[open]{flex-basis:100%;text-align:right}
.about dl{display:inline-grid;grid-template-columns:auto auto;gap:2px 10px;margin:6px 0 0;text-align:left;font-size:11px}
.about dt{color:var(--llm-fg2)}.about dd{margin:0;color:var(--llm-fg);overflow-wrap:anywhere}`;

const PRECISIONS: Record<string, string> = {
  repacked: 'as packed in its file, each with the same bits (repacked)',
  exact: 'exactly as in its file',
};

export function about(model: ModelInfo): HTMLElement[] {
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
