/** Probe: whole strings behind one prompt, as bars that add up token by token. */

import type { Numbers } from '../protocol/arrays.js';
import { arrayOf, type InspectionRecord, numbersOf, textsOf, wordsOf } from '../protocol/inspection.js';
import { bar, bold, footer, needsKernel, onKeys, RadioGroup, stepAt, textInput } from '../ui/controls.js';
import { h, icon } from '../ui/dom.js';
import { bits, count, fixed, percent, plural, probability, tokenWord, visible } from '../ui/format.js';
import { colorScale } from '../ui/legend.js';
import { BaseInspectionView, type InspectionHost } from './inspectionView.js';
import { STYLE } from './probeView.css.js';

const EDGES = [1, 2, 3, 5, 8];

interface Row {
  n: number;
  text: string;
  ids: number[];
  texts: string[];
  joined: boolean;
  begin: number;
  /** nats, whole */
  sum: number;
  bytes: number;
}

export class ProbeView extends BaseInspectionView {
  private readonly table = h('div', {
    class: 'table',
    role: 'treegrid',
    tabindex: 0,
    'aria-label': 'strings',
  });
  private readonly hold = h('div', { class: 'hold' });
  private readonly note = h('div', { class: 'note' });
  private readonly modes = new RadioGroup('measure', ['Sum', 'Per token', 'Per byte'], n => this.setMode(n));
  private readonly more = textInput('text', '+ Another string', 'Another string', () => {
    if (this.more.value) this.host.ask?.({ type: 'inspection.add', text: this.more.value });
  });
  private readonly open = new Set<string>();
  private rows: Row[] = [];
  private word = (id: number) => `#${id}`;
  private logprob!: Numbers;
  private mode = 0;
  private chosen = 0;

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    const right = h('span', { class: 'right' }, this.more);
    this.shell.root.append(
      h('div', { class: 'row' }, this.modes.element, colorScale('bits a token', 'h', EDGES), right),
      this.busy,
      this.table,
      this.hold,
      this.note,
      this.footer,
    );
    onKeys(this.table, {
      ArrowUp: () => this.choose(this.chosen - 1),
      ArrowDown: () => this.choose(this.chosen + 1),
      Enter: () => this.toggle(this.rows[this.chosen]!),
      1: () => this.setMode(0),
      2: () => this.setMode(1),
      3: () => this.setMode(2),
    });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    const other = this.setRecord(record, host);
    needsKernel(this.more, host);
    if (!other) return;
    this.more.value = '';
    this.word = wordsOf(record.head.words);
    this.logprob = arrayOf(record, 'logprob', 1);
    arrayOf(record, 'instead_ids', 2);
    let begin = 0;
    const raw = Array.isArray(record.head.strings) ? record.head.strings : [];
    this.rows = raw.map((item, n) => {
      const ids = numbersOf(item?.ids);
      const text = typeof item?.text === 'string' ? item.text : '';
      const sum = this.logprob.data.subarray(begin, begin + ids.length).reduce((all, one) => all + one, 0);
      const bytes = Math.max(new TextEncoder().encode(text).length, 1);
      const row = { n, text, ids, texts: textsOf(item?.texts), joined: !!item?.joined, begin, sum, bytes };
      begin += ids.length;
      return row;
    });
    this.setMode(this.mode);
  }

  /** Bits by the chosen measure. */
  private measure(row: Row): number {
    return bits(-row.sum) / [1, Math.max(row.ids.length, 1), row.bytes][this.mode]!;
  }

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    this.rows.sort((a, b) => this.measure(a) - this.measure(b));
    this.draw();
  }

  private choose(n: number): void {
    this.chosen = Math.max(0, Math.min(this.rows.length - 1, n));
    for (const [at, line] of [...this.table.querySelectorAll('.line:not(.head)')].entries())
      line.setAttribute('aria-selected', String(at === this.chosen));
  }

  private toggle(row: Row): void {
    if (!this.open.delete(row.text)) this.open.add(row.text);
    this.draw();
  }

  private draw(): void {
    const most = Math.max(...this.rows.map(row => this.measure(row)), 1);
    const scale = most * 1.16;
    const first = this.rows[0];
    const odds = this.rows.map(row => 2 ** -(this.measure(row) - (first ? this.measure(first) : 0)));
    const total = odds.reduce((sum, item) => sum + item, 0);
    const unit = ['bits', 'bits/token', 'bits/byte'][this.mode]!;
    const axis = h('span', { class: 'axis' }, ...this.ticks(scale));
    const labels = [
      h('span'),
      h('span', {}, 'string, in its tokens'),
      axis,
      h('span', { class: 'n' }, `${unit} ▴`),
    ];
    const rest = [this.mode === 2 ? 'bits' : 'bits/byte', 'Δ bits', 'share of these'].map(text =>
      h('span', { class: 'n' }, text),
    );
    const head = h('div', { class: 'line head', role: 'row' }, ...labels, ...rest);
    for (const cell of head.children)
      cell.setAttribute('role', cell.textContent ? 'columnheader' : 'gridcell');
    this.table.replaceChildren(head);
    for (const [at, row] of this.rows.entries()) {
      const own = this.measure(row);
      const open = this.open.has(row.text);
      const other = this.mode === 2 ? bits(-row.sum) : bits(-row.sum) / row.bytes;
      const delta = at ? `+${fixed(own - this.measure(first!), 2)}` : '–';
      const line = h(
        'div',
        {
          class: `line${open ? ' open' : ''}`,
          role: 'row',
          'aria-expanded': String(open),
          'aria-selected': String(at === this.chosen),
          'aria-label': `${tokenWord(row.text)}, ${percent(probability(row.sum))}`,
          onclick: () => {
            this.chosen = at;
            this.toggle(row);
          },
        },
        h('span', { class: 'tri' }, '▸'),
        this.pieces(row, at === 0),
        this.bar(row, scale),
        h('b', { class: 'n', title: `${fixed(row.sum, 3)} nats` }, fixed(own, 2)),
        h('span', { class: 'n' }, fixed(other, 2)),
        h('span', { class: 'n' }, delta),
        h(
          'span',
          { class: 'share' },
          bar(odds[at]! / total),
          h('span', { class: 'n' }, percent(odds[at]! / total)),
        ),
      );
      for (const cell of line.children) cell.setAttribute('role', 'gridcell');
      this.table.append(line);
      if (open)
        this.table.append(h('div', { role: 'row' }, h('div', { role: 'gridcell' }, this.inside(row))));
    }
    this.drawHold();
    this.drawNote();
    const delta = first
      ? [h('span', {}, 'Δ to ', h('code', {}, tokenWord(first.text)), ', 1 bit is half as likely')]
      : [];
    this.footer.replaceChildren(
      footer(
        [bold(count(this.rows.length), plural(this.rows.length, 'string')), ...delta],
        [
          ['↑ ↓', 'string'],
          ['⏎', 'open'],
          ['1 – 3', 'measure'],
        ],
        this.record.model,
      ),
    );
  }

  private ticks(scale: number): HTMLElement[] {
    if (this.mode)
      return [0, 0.25, 0.5, 0.75].map(share =>
        h('span', { class: 'tick', style: `left:${100 * share}%` }, fixed(share * scale, 1)),
      );
    const decades = scale * Math.log10(2);
    if (!Number.isFinite(decades)) return [];
    const apart = decades > 96 ? Math.ceil(decades / 16) : decades > 24 ? 6 : decades > 3 ? 2 : 1;
    const all: HTMLElement[] = [];
    for (let n = 0; n < decades; n += apart) {
      const text =
        n < 5
          ? percent(10 ** -n)
          : `10${[...`−${n}`].map(sign => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(sign)] ?? '⁻').join('')}`;
      all.push(h('span', { class: 'tick', style: `left:${(100 * n) / decades}%` }, text));
    }
    return all;
  }

  private pieces(row: Row, best: boolean): HTMLElement {
    return h(
      'span',
      { class: 'pieces' },
      ...row.ids.map((_, k) => {
        const p = percent(probability(this.logprob.data[row.begin + k]!));
        return h(
          'span',
          { style: best ? 'font-weight:600' : '' },
          h('i', {}, tokenWord(row.texts[k] ?? '')),
          h('small', {}, p),
        );
      }),
    );
  }

  /** From 100 % rightwards, a segment a token: lengths add up, longer is less likely. */
  private bar(row: Row, scale: number): HTMLElement {
    const divide = [1, Math.max(row.ids.length, 1), row.bytes][this.mode]!;
    const element = h('span', { class: 'axis' });
    let at = 0;
    for (const [k] of row.ids.entries()) {
      const own = bits(-this.logprob.data[row.begin + k]!);
      const wide = (100 * own) / divide / scale;
      const word = tokenWord(row.texts[k] ?? '').replace(/^␣/, '');
      const style = `left:${at}%;width:${Math.max(wide, 0.4)}%`;
      element.append(
        h(
          'span',
          {
            class: `seg h${stepAt(EDGES, own)}`,
            style,
            title: `${tokenWord(row.texts[k] ?? '')} ${fixed(own, 2)} bits`,
          },
          wide > 5 ? word : '',
        ),
      );
      at += wide;
    }
    const p = probability(row.sum);
    const small =
      p < 1e-4
        ? p
            .toExponential(1)
            .replace(/e-(\d+)/, ' · 10⁻$1')
            .replace(/⁻(\d+)/, (_, n: string) => `⁻${[...n].map(d => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(d)]).join('')}`)
        : percent(p);
    element.append(h('span', { class: 'p', style: `left:${at}%` }, small));
    return element;
  }

  private inside(row: Row): HTMLElement {
    const ids = this.record.arrays.get('instead_ids')!;
    const others = this.record.arrays.get('instead_logprobs')!;
    const rank = this.record.arrays.get('rank')!;
    const many = ids.shape[1]!;
    let far = 0;
    const lines = row.ids.map((id, k) => {
      const at = row.begin + k;
      const own = bits(-this.logprob.data[at]!);
      far += own;
      const instead = Array.from({ length: many }, (_, n) => ({
        id: ids.data[at * many + n]!,
        p: probability(others.data[at * many + n]!),
      }))
        .filter(other => other.id !== id)
        .slice(0, 3)
        .map(other => `${tokenWord(this.word(other.id))} ${percent(other.p)}`);
      const cells = [
        count(id),
        percent(probability(this.logprob.data[at]!)),
        count(rank.data[at]! + 1),
        fixed(own, 2),
        fixed(far, 2),
      ];
      return h(
        'tr',
        {},
        h('td', {}, h('code', { class: `h${stepAt(EDGES, own)}` }, tokenWord(row.texts[k] ?? ''))),
        ...cells.map(text => h('td', {}, text)),
        h('td', {}, instead.join('   ')),
      );
    });
    const heads = ['token', 'id', 'probability', 'rank', 'bits', 'so far', 'instead'].map(text =>
      h('th', {}, text),
    );
    return h('div', { class: 'inner' }, h('table', {}, h('tr', {}, ...heads), ...lines));
  }

  /** What these hold of all that could follow; one that begins another holds it too. */
  private drawHold(): void {
    const begins = (a: Row, b: Row) =>
      a !== b && a.ids.length <= b.ids.length && a.ids.every((id, k) => b.ids[k] === id);
    const own = this.rows.filter(
      row =>
        !this.rows.some(
          other => begins(other, row) && (other.ids.length < row.ids.length || other.n < row.n),
        ),
    );
    const parts = own.map(row => probability(row.sum)).sort((a, b) => b - a);
    const total = Math.min(
      1,
      parts.reduce((sum, p) => sum + p, 0),
    );
    const strip = parts.map(p => h('i', { style: `width:${100 * p}%` }));
    this.hold.replaceChildren(
      'of all that could follow',
      h(
        'span',
        { class: 'strip' },
        ...strip,
        h('i', { class: 'hatched', style: `width:${100 * (1 - total)}%;background-color:transparent` }),
      ),
      h('span', {}, 'these ', h('b', {}, percent(total)), `, others ${percent(1 - total)}`),
    );
  }

  private drawNote(): void {
    const notes: (HTMLElement | string)[] = [];
    const joined = this.rows.filter(row => row.joined);
    if (joined.length)
      notes.push(
        h(
          'div',
          {},
          'Joined to the prompt these are cut otherwise: ',
          h('b', {}, visible(joined.map(row => tokenWord(row.text)).join(', '))),
        ),
      );
    const texts = textsOf(this.record.head.texts);
    const spaced = this.rows.find(row => /^[\p{L}\p{N}]/u.test(row.text) && !/\s$/.test(texts.at(-1) ?? ' '));
    if (spaced && !this.rows.some(row => row.text === ` ${spaced.text}`)) {
      const add = () => this.host.ask?.({ type: 'inspection.add', text: ` ${spaced.text}` });
      const button = h(
        'button',
        { class: 'button', type: 'button', disabled: !this.host.ask, onclick: add },
        icon('plus'),
        tokenWord(` ${spaced.text}`),
      );
      notes.push(
        h('div', {}, 'No space stands before ', h('code', {}, tokenWord(spaced.text)), '. ', button),
      );
    }
    this.note.replaceChildren(...notes);
  }
}
