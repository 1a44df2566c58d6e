/** What two answers weighed where they part, on one scale. */

import { bar, columnHead } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { percent, probability, signed, tokenWord } from '../../ui/format.js';
import type { Pair } from './answers.js';

/** A row a token: the shares of both, and the difference in bits; `chosen` has what each of them took. */
export function weighedTable(
  pair: Pair,
  chosen: (string | undefined)[],
  names: [string, string],
): HTMLElement {
  const most = Math.max(
    ...pair.next
      .flatMap(row => [row.a, row.b])
      .filter(Number.isFinite)
      .map(probability),
    0.01,
  );
  const cells = (value: number, text: string, side: number) => {
    const p = probability(value);
    const taken = text === chosen[side];
    const known = Number.isFinite(value);
    return [
      h('td', { class: 'share' }, known ? bar(p / most, taken) : null),
      h('td', { class: taken ? 'taken' : '' }, known ? percent(p) : '–'),
    ];
  };
  const rows = pair.next.map(row =>
    h(
      'tr',
      {},
      h('td', {}, h('code', {}, tokenWord(row.text))),
      ...cells(row.a, row.text, 0),
      ...cells(row.b, row.text, 1),
      h('td', {}, Number.isFinite(row.a - row.b) ? signed((row.b - row.a) / Math.LN2, 2) : '–'),
    ),
  );
  const head = ['next', names[0], '', names[1], '', 'Δ bits'].map(columnHead);
  return h('table', { class: 'weighed' }, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...rows));
}
