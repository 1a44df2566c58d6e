/** Tokenizers side by side: where each cuts, and what a language costs. */

import { type InspectionRecord, numbersOf, textsOf } from '../protocol/inspection.js';
import { bold, footer, needsKernel, onKeys, RadioGroup, textInput } from '../ui/controls.js';
import { h } from '../ui/dom.js';
import { count, fixed, plural, visible } from '../ui/format.js';
import { BaseInspectionView, type InspectionHost } from './inspectionView.js';
import { STYLE } from './tokenizationView.css.js';

interface Column {
  name: string;
  vocab: number;
  ids: number[];
  texts: string[];
  bytes: string[];
  /** Where each token begins in the text; one more at the end. */
  starts: number[];
}

export class TokenizationView extends BaseInspectionView {
  private readonly modes = new RadioGroup('show', ['Pieces', 'Ids', 'Bytes'], n => this.setMode(n));
  private readonly add = textInput('text', '+ Tokenizer', 'Another tokenizer', () => {
    if (this.add.value) this.host.ask?.({ type: 'inspection.add', name: this.add.value });
  });
  private readonly cols = h('div', { class: 'cols', tabindex: 0, role: 'group', 'aria-label': 'tokenizers' });
  private readonly detail = h('div', { class: 'detail', 'aria-live': 'polite' });
  private readonly costs = h('div');
  private spans: HTMLElement[][] = [];
  private columns: Column[] = [];
  private text = '';
  private mode = 0;
  private pinned = false;
  private at: [number, number] = [0, 0];

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.shell.root.append(
      h(
        'div',
        { class: 'row' },
        this.modes.element,
        h('span', { class: 'fg2', style: 'line-height:24px' }, '▯ part of a character'),
        h('span', { class: 'right' }, this.add),
      ),
      this.busy,
      this.cols,
      this.detail,
      this.costs,
      this.footer,
    );
    onKeys(this.cols, {
      ArrowLeft: () => this.show(this.at[0], this.at[1] - 1, true),
      ArrowRight: () => this.show(this.at[0], this.at[1] + 1, true),
      p: () => {
        this.pinned = !this.pinned;
      },
    });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    const other = this.setRecord(record, host);
    this.text = String(record.head.text ?? '');
    const raw = Array.isArray(record.head.columns) ? record.head.columns : [];
    needsKernel(this.add, host);
    if (raw.length > 2) this.add.disabled = true;
    if (host.ask) this.add.title = raw.length > 2 ? 'three at most' : 'a name, or org/name on the Hub';
    if (!other) return;
    this.columns = raw.map(item => {
      const texts = textsOf(item?.texts);
      const starts = [0];
      for (const text of texts) starts.push(starts.at(-1)! + text.length);
      return {
        name: String(item?.name ?? ''),
        vocab: Number(item?.vocab) || 0,
        ids: numbersOf(item?.ids),
        texts,
        bytes: textsOf(item?.bytes),
        starts,
      };
    });
    this.draw();
  }

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    this.draw();
  }

  private draw(): void {
    const { columns } = this;
    this.cols.className = `cols ${['', 'ids', 'hex'][this.mode]}`;
    this.cols.style.setProperty('--n', String(Math.max(columns.length, 1)));
    const size = new TextEncoder().encode(this.text).length;
    const most = Math.max(...columns.map(item => item.ids.length), 1);
    this.spans = columns.map((column, c) =>
      column.ids.map((id, n) => {
        const span = h('span', {}, ...this.piece(column, n, id));
        span.addEventListener('pointerenter', () => !this.pinned && this.show(c, n));
        span.addEventListener('click', () => {
          this.pinned = false;
          this.show(c, n);
          this.pinned = true;
        });
        return span;
      }),
    );
    this.cols.replaceChildren(
      ...columns.map((column, c) => {
        const many = column.ids.length;
        const bar = h('span', { class: 'bar grey' }, h('i', { style: `width:${(100 * many) / most}%` }));
        return h(
          'div',
          {},
          h(
            'h3',
            { title: visible(column.name) },
            visible(column.name),
            ' ',
            h('span', {}, `${count(column.vocab)} pieces`),
          ),
          h(
            'div',
            { class: 'total' },
            h('b', {}, count(many)),
            'tokens',
            bar,
            `${fixed(size / Math.max(many, 1), 2)} bytes/token`,
          ),
          h('div', { class: 'text' }, ...this.spans[c]!),
        );
      }),
    );
    this.drawCosts();
    const best = columns.reduce(
      (a, b) => (b.ids.length < a.ids.length ? b : a),
      columns[0] ?? { name: '', ids: [] as number[] },
    );
    const first = columns[0];
    const share =
      first && best !== first
        ? [
            h(
              'span',
              {},
              'best here: ',
              h('b', {}, visible(best.name)),
              `, ${Math.round((100 * best.ids.length) / first.ids.length)} % of ${visible(first.name)}’s tokens`,
            ),
          ]
        : [];
    this.footer.replaceChildren(
      footer(
        [bold(count(size), ` bytes, ${count([...this.text].length)} characters`), ...share],
        [
          ['← →', 'piece'],
          ['P', 'pin'],
        ],
        { ...this.record.model, name: '' },
      ),
    );
    this.show(0, Math.min(this.at[1], Math.max((columns[0]?.ids.length ?? 1) - 1, 0)));
  }

  private piece(column: Column, n: number, id: number): (HTMLElement | string)[] {
    if (this.mode === 1) return [String(id)];
    if (this.mode === 2) return [column.bytes[n]?.match(/../g)?.join(' ') ?? ''];
    const text = column.texts[n] ?? '';
    if (!text || text.includes('\ufffd')) return [h('em', {}, '▯')];
    return text
      .split(/(\n|\t)/)
      .map(part => (part === '\n' ? h('em', {}, '⏎\n') : part === '\t' ? h('em', {}, '⇥') : visible(part)));
  }

  /** The stretch of whole characters that a token belongs to, in letters. */
  private stretch(column: Column, n: number): [number, number] {
    let from = n;
    let to = n;
    while (from > 0 && !column.texts[from - 1]) from--;
    while (to < column.texts.length - 1 && !column.texts[to]) to++;
    return [column.starts[from] ?? 0, column.starts[to + 1] ?? 0];
  }

  private show(c: number, n: number, focus = false): void {
    const column = this.columns[c];
    if (!column) return;
    const place = Math.max(0, Math.min(column.ids.length - 1, n));
    this.at = [c, place];
    let [from, to] = this.stretch(column, place);
    // Grown to where every tokenizer has a cut: the same letters in all.
    for (let grown = true; grown; ) {
      grown = false;
      for (const other of this.columns)
        for (let k = 0; k < other.ids.length; k++) {
          const [a, b] = this.stretch(other, k);
          if (b > a && a < to && b > from && (a < from || b > to)) {
            [from, to] = [Math.min(a, from), Math.max(b, to)];
            grown = true;
          }
        }
    }
    const inside = (other: Column, k: number) => {
      const [a, b] = this.stretch(other, k);
      return b > a && a >= from && b <= to;
    };
    for (const [k, spans] of this.spans.entries())
      for (const [m, span] of spans.entries()) span.classList.toggle('same', inside(this.columns[k]!, m));
    if (focus) this.spans[c]?.[place]?.scrollIntoView({ block: 'nearest' });
    const words = column.texts.join('').slice(from, to);
    const data = new TextEncoder().encode(words);
    const hex = [...data.slice(0, 24)].map(byte => byte.toString(16).padStart(2, '0')).join(' ');
    const cells = this.columns.map(other => {
      const places = other.ids.map((_, k) => k).filter(k => inside(other, k));
      const bits = places
        .slice(0, 24)
        .map(k =>
          h(
            'span',
            {},
            h('i', {}, visible((other.texts[k] || '▯').replace(/ /g, '␣').replace(/\n/g, '⏎'))),
            h('small', {}, count(other.ids[k]!)),
          ),
        );
      return h(
        'div',
        { class: 'bits' },
        ...bits,
        h('span', { class: 'n' }, bold(count(places.length), places.length === 1 ? ' token' : ' tokens')),
      );
    });
    const row = h('div', { class: 'cols' }, ...cells);
    row.style.setProperty('--n', String(Math.max(this.columns.length, 1)));
    this.detail.replaceChildren(
      h(
        'p',
        { style: 'margin:0 0 6px' },
        h('span', { class: 'name' }, visible(words.replace(/ /g, '␣').replace(/\n/g, '⏎'))),
        ` ${count([...words].length)}${plural([...words].length, 'letter')}, ${count(data.length)}${plural(data.length, 'byte')} `,
        h('code', {}, hex + (data.length > 24 ? ' …' : '')),
      ),
      row,
    );
  }

  private drawCosts(): void {
    const raw = Array.isArray(this.record.head.languages) ? this.record.head.languages : [];
    const rows = raw.map(item => ({
      name: String(item?.name ?? ''),
      bytes: Number(item?.bytes) || 0,
      counts: numbersOf(item?.counts),
    }));
    const english = rows[0]?.counts ?? [];
    const most = Math.max(...rows.flatMap(row => row.counts), 1);
    const was = this.costs.querySelector('details')?.open;
    const folded = h(
      'details',
      { class: 'folded' },
      h('summary', { class: 'fg2' }, 'what a language costs: tokens, and times English'),
      h(
        'table',
        {},
        h(
          'tr',
          {},
          h('th', {}, 'the same sentence in'),
          h('th', {}, 'bytes'),
          ...this.columns.flatMap(column => [
            h('th', { class: 'l w' }, visible(column.name)),
            h('td', {}, ''),
            h('td', {}, ''),
          ]),
        ),
        ...rows.map(row => {
          const best = Math.min(...row.counts);
          return h(
            'tr',
            {},
            h('td', {}, row.name),
            h('td', {}, count(row.bytes)),
            ...row.counts.flatMap((many, n) => [
              h(
                'td',
                { class: 'w' },
                h('span', { class: 'bar grey' }, h('i', { style: `width:${(100 * many) / most}%` })),
              ),
              h('td', { class: many === best && row.counts.length > 1 ? 'best' : '' }, count(many)),
              h(
                'td',
                { class: 'x' },
                many === english[n] && row === rows[0] ? '1' : `×${fixed(many / (english[n] || 1), 1)}`,
              ),
            ]),
          );
        }),
      ),
    );
    if (was) folded.open = true;
    this.costs.replaceChildren(folded);
  }
}
