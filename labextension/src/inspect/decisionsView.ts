/** Typed questions about one text: the answer of each, and the shares of its labels. */

import type { InspectionRecord } from '../protocol/inspection.js';
import { bold, columnHead, footer } from '../ui/controls.js';
import { h } from '../ui/dom.js';
import { count, percent, plural, shareOf, visible } from '../ui/format.js';
import { STYLE } from './decisionsView.css.js';
import { BaseInspectionView } from './inspectionView.js';
import { SHARE_STACK_STYLE } from './shareStack.css.js';
import { shareStack } from './shareStack.js';

export class DecisionsView extends BaseInspectionView {
  private readonly table = h('table', { class: 'decisions' });

  constructor(record: InspectionRecord, element: HTMLElement) {
    super(element, SHARE_STACK_STYLE + STYLE);
    this.shell.root.append(h('div', { class: 'wide' }, this.table), this.footer);
    this.update(record);
  }

  update(record: InspectionRecord): void {
    if (!this.setRecord(record)) return;
    const raw = Array.isArray(record.head.questions) ? record.head.questions : [];
    const names = ['question', 'answer', 'share', 'all labels'];
    const head = h('tr', {}, ...names.map(columnHead));
    const rows = raw.map(item => {
      const mean = Number(item?.mean);
      const average =
        item?.kind === 'number' && Number.isFinite(mean) ? ` · ${mean.toFixed(1)} on average` : '';
      return h(
        'tr',
        {},
        h('th', { scope: 'row' }, visible(String(item?.name ?? ''))),
        h('td', {}, h('b', {}, visible(String(item?.value ?? '')))),
        h('td', {}, percent(shareOf(item?.share)), h('small', {}, average)),
        h('td', { class: 'labels' }, ...this.labels(item?.labels)),
      );
    });
    this.table.replaceChildren(h('thead', {}, head), h('tbody', {}, ...rows));
    const parts = [
      bold(count(raw.length), plural(raw.length, 'question')),
      'labels by their exact probability',
    ];
    this.footer.replaceChildren(footer(parts, [], record.model));
  }

  private labels(value: unknown): HTMLElement[] {
    const raw = Array.isArray(value) ? value : [];
    const parts = raw.map(item => {
      const share = shareOf(item?.share);
      return { title: `${visible(String(item?.name ?? ''))} ${percent(share)}`, share };
    });
    const words = parts.map(part => part.title);
    return [shareStack(parts, words.join(', ')), h('small', {}, words.slice(0, 5).join(' · '))];
  }
}
