/** Labels with their exact probabilities: shares of these, and of everything that could follow. */

import { type InspectionRecord, textsOf } from '../protocol/inspection.js';
import { bar, bold, footer, needsKernel, onKeys } from '../ui/controls.js';
import { h } from '../ui/dom.js';
import { count, fixed, percent, shareOf, tokenWord, visible } from '../ui/format.js';
import { STYLE } from './choicesView.css.js';
import { BaseInspectionView, type InspectionHost } from './inspectionView.js';
import { OpenRows } from './openRows.js';
import { SHARE_STACK_STYLE } from './shareStack.css.js';
import { shareStack } from './shareStack.js';

interface Spelling {
  text: string;
  texts: string[];
  p: number;
}

interface Label {
  name: string;
  share: number;
  ofAll: number;
  spellings: Spelling[];
  chosen: boolean;
  /** Where it stands in the record. */
  place: number;
}

export class ChoicesView extends BaseInspectionView {
  private readonly table = h('div', { class: 'table', role: 'treegrid', 'aria-label': 'choices' });
  private readonly rest = h('div', { class: 'rest' });
  private labels: Label[] = [];
  private readonly cursor = new OpenRows(
    this.table,
    () => this.labels.length,
    () => this.draw(),
  );

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, SHARE_STACK_STYLE + STYLE);
    this.shell.root.append(this.busy, this.table, this.rest, this.footer);
    onKeys(this.shell.root, {
      ...this.cursor.keys,
    });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost = {}): void {
    if (!this.setRecord(record, host)) return this.draw();
    const raw = Array.isArray(record.head.labels) ? record.head.labels : [];
    this.labels = raw
      .map((item, n) => ({
        name: String(item?.name ?? ''),
        share: shareOf(item?.share),
        ofAll: shareOf(item?.of_all),
        spellings: (Array.isArray(item?.spellings) ? item.spellings : []).map(
          (part: Record<string, unknown> | null) => ({
            text: String(part?.text ?? ''),
            texts: textsOf(part?.texts),
            p: shareOf(part?.p),
          }),
        ),
        chosen: n === record.head.chosen,
        place: n,
      }))
      .sort((a, b) => b.share - a.share);
    this.draw();
  }

  private draw(): void {
    const names = ['', 'choice', '', 'share of these', 'of all', 'bits'];
    const head = h(
      'div',
      { class: 'line head', role: 'row' },
      ...names.map(name => h('span', { role: name ? 'columnheader' : 'cell' }, name)),
    );
    this.table.replaceChildren(head, ...this.labels.flatMap((label, n) => this.row(label, n)));
    const mass = this.labels.reduce((sum, label) => sum + label.ofAll, 0);
    const parts = this.labels.map(label => ({ title: visible(label.name), share: label.ofAll }));
    this.rest.replaceChildren(
      h('span', { class: 'fg2' }, 'of all that could follow'),
      shareStack(parts, `these ${percent(mass)}`, 'stack hatched'),
      h('span', {}, 'these ', h('b', {}, percent(mass)), `, others ${percent(1 - mass)}`),
    );
    const others = Array.isArray(this.record.head.others) ? this.record.head.others : [];
    const told = others
      .slice(0, 3)
      .flatMap((item, n) => [
        n ? ', ' : '',
        h('code', {}, tokenWord(String(item?.[0] ?? ''))),
        ` ${percent(shareOf(item?.[1]))}`,
      ]);
    if (mass < 0.5 && told.length)
      this.rest.append(h('p', {}, 'The model would rather begin with ', ...told, '.'));
    this.footer.replaceChildren(
      footer(
        [
          bold(
            count(this.labels.length),
            this.record.head.approximate
              ? ' choices, by their first tokens, approximately'
              : ' choices, whole strings, exactly',
          ),
        ],
        [
          ['↑ ↓', 'choice'],
          ['⏎', 'its tokens'],
        ],
        this.record.model,
      ),
    );
  }

  private row(label: Label, n: number): HTMLElement[] {
    const bits = label.ofAll > 0 ? fixed(-Math.log2(label.ofAll), 2) : '–';
    const cells = [
      h('span', { class: 'dot', 'aria-hidden': 'true' }, label.chosen ? '●' : ''),
      h('code', { class: label.chosen ? 'chosen' : '' }, visible(label.name)),
      bar(label.share, label.chosen),
      h('b', {}, percent(label.share)),
      h('span', {}, percent(label.ofAll)),
      h('span', {}, bits),
    ];
    for (const cell of cells) cell.setAttribute('role', 'gridcell');
    const line = h(
      'div',
      {
        class: 'line',
        role: 'row',
        tabindex: n === this.cursor.at ? 0 : -1,
        'aria-expanded': String(this.cursor.open === n),
        'aria-selected': String(label.chosen),
        onclick: () => this.cursor.toggle(n),
      },
      ...cells,
    );
    return this.cursor.open === n ? [line, this.details(label)] : [line];
  }

  private details(label: Label): HTMLElement {
    const rows = label.spellings.map(part =>
      h(
        'div',
        {},
        ...part.texts.map(text => h('code', { class: 'piece' }, tokenWord(text))),
        h('span', { class: 'fg2' }, ` ${percent(part.p)} of all`),
      ),
    );
    const ask = () => this.host.ask?.({ type: 'inspection.open', view: 'causes', label: label.place });
    const why = h('button', { class: 'button', type: 'button', onclick: ask }, 'Words that decided');
    if (Array.isArray(this.record.head.prompt_ids)) rows.push(h('div', { class: 'why' }, why));
    needsKernel(why, this.host);
    return h('div', { class: 'details', role: 'row' }, h('div', { role: 'gridcell' }, ...rows));
  }
}
