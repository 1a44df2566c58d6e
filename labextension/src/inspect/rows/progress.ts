/** How a run goes: rows a second over time, and the workers of a cluster. */

import { numbersOf } from '../../protocol/inspection.js';
import { bar, columnHead } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { bytes, count, fixed, visible } from '../../ui/format.js';
import { svg } from '../../ui/svg.js';

const [WIDTH, HEIGHT] = [300, 44];

/** An area of rows a second; nothing for a run that was too short for one. */
export function rateCurve(value: unknown): HTMLElement | undefined {
  const [times = [], rates = []] = (Array.isArray(value) ? value : []).map(numbersOf);
  const last = times.at(-1) ?? 0;
  if (times.length < 3 || rates.length !== times.length || !(last > 0)) return undefined;
  const most = Math.max(...rates, 1e-9);
  const points = times.map(
    (time, n) =>
      `${fixed2((WIDTH * time) / last)},${fixed2(HEIGHT - 2 - ((HEIGHT - 6) * Math.max(rates[n]!, 0)) / most)}`,
  );
  const first = fixed2((WIDTH * times[0]!) / last);
  const label = `rows a second: ${fixed(rates.at(-1)!, 1)} now, ${fixed(most, 1)} at most`;
  const picture = svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    svg('path', { class: 'area', d: `M${first},${HEIGHT} L${points.join(' ')} L${WIDTH},${HEIGHT} Z` }),
    svg('path', { class: 'line', d: `M${points.join(' ')}` }),
  );
  return h(
    'div',
    { class: 'rate', title: label },
    h('span', { class: 'fg2' }, 'rows/s'),
    picture,
    h('span', { class: 'fg2' }, `up to ${fixed(most, 1)}`),
  );
}

const fixed2 = (value: number): string => (Math.round(value * 100) / 100).toString();

/** A row for each worker; those that are gone stay. */
export function workersTable(value: unknown, more: number, running: boolean): HTMLElement[] {
  const list = (Array.isArray(value) ? value : []).map(item =>
    typeof item === 'object' && item ? item : {},
  );
  if (!list.length) return [];
  const rows = (list as Record<string, unknown>[]).map(item => {
    const present = item.present === true;
    const [memory, limit] = [Number(item.memory) || 0, Number(item.memory_limit) || 0];
    const state = !running
      ? ''
      : !present
        ? 'gone; its rows went to others'
        : item.working === true
          ? 'works'
          : 'waits';
    return h(
      'tr',
      { class: present || !running ? '' : 'gone' },
      h(
        'td',
        { class: 'text', title: visible(String(item.address ?? '')) },
        visible(String(item.name ?? '') || '–'),
      ),
      h('td', {}, visible(String(item.host ?? ''))),
      h('td', {}, state),
      h('td', { class: 'n' }, count(Number(item.rows) || 0)),
      h('td', { class: 'share' }, limit > 0 ? bar(memory / limit) : null),
      h('td', { class: 'n' }, memory ? `${bytes(memory)}${limit ? ` of ${bytes(limit)}` : ''}` : ''),
    );
  });
  const names = ['worker', 'on', running ? 'does' : '', 'rows', '', 'memory'];
  const there = list.filter(item => (item as Record<string, unknown>).present === true).length;
  return [
    h('h4', {}, 'Workers', h('small', {}, running ? ` ${count(there)} of ${count(list.length + more)}` : '')),
    h(
      'table',
      { class: 'rows workers' },
      h('thead', {}, h('tr', {}, ...names.map(columnHead))),
      h('tbody', {}, ...rows),
    ),
    ...(more > 0 ? [h('p', { class: 'fg2' }, `and ${count(more)} more`)] : []),
  ];
}
