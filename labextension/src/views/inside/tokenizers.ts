/** Tokenizers side by side: where each cuts, and what a language costs. */

import { h } from '../../dom.js';
import { count, fixed, plural, visible } from '../../format.js';
import { type Look, type LookHost, numbersOf, textsOf } from '../../inside.js';
import { bold, Choice, field, foot, needsKernel, onKeys } from './parts.js';
import { InsideView } from './view.js';

const STYLE = `
:host{--a:var(--llm-piece-1);--b:var(--llm-piece-2)}
.cols{display:grid;grid-template-columns:repeat(var(--n),minmax(0,1fr));gap:20px 34px}
.cols h3{font:600 13px var(--llm-ui);margin:0;padding-bottom:6px;border-bottom:1px solid var(--llm-line2);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.cols h3 span{font-weight:400;color:var(--llm-fg2)}
.total{display:grid;grid-template-columns:auto auto 1fr auto;gap:8px;align-items:center;margin:6px 0}.total b{font:600 17px var(--llm-ui)}
.grey i{background:var(--llm-fg3)!important}
.text{font:15px/27px var(--llm-text);white-space:pre-wrap;overflow-wrap:anywhere;max-height:50vh;overflow:auto}.ids .text,.hex .text{font:12px/24px var(--llm-code)}
.text span{background:var(--a);box-shadow:inset 1px 0 0 -0.4px var(--llm-fg3);background-clip:padding-box;padding:2px 0;cursor:default}.text span:nth-child(even){background:var(--b)}
.ids .text span,.hex .text span{margin-right:3px;padding:2px 3px}.text em{font-style:normal;color:var(--llm-fg3)}
.text .same{outline:2px solid var(--llm-accent);outline-offset:-1px}
.detail{border-top:1px solid var(--llm-line);margin-top:12px;padding:8px 0;min-height:86px}.detail .name{font:600 14px var(--llm-code)}.detail code{font-size:11px;color:var(--llm-fg2)}
.bits{display:flex;flex-wrap:wrap;gap:2px 4px;align-items:flex-start}.bits span{text-align:center;font:13px var(--llm-code)}.bits i{display:block;font-style:normal;background:var(--a);padding:0 4px}.bits span:nth-child(even) i{background:var(--b)}.bits small{font:10.5px var(--llm-ui);color:var(--llm-fg2)}.bits .n{margin-left:auto;font:12px var(--llm-ui)}
table{width:100%;border-collapse:collapse;margin-top:4px}td,th{padding:4px 8px 4px 0;border-bottom:1px solid var(--llm-line);text-align:right;font-weight:400;white-space:nowrap}th{color:var(--llm-fg2);font-size:11px}:is(td,th):first-child,th.l{text-align:left}td.best{font-weight:600}td.x{color:var(--llm-fg2)}td.w{width:18%}
@container (max-width:640px){.cols{grid-template-columns:1fr}td.w,th.w{display:none}}`;

interface Column {
  name: string;
  vocab: number;
  ids: number[];
  texts: string[];
  bytes: string[];
  /** Where each token begins in the text; one more at the end. */
  starts: number[];
}

export class TokenizersView extends InsideView {
  private readonly modes = new Choice('show', ['Pieces', 'Ids', 'Bytes'], n => this.setMode(n));
  private readonly add = field('text', '+ Tokenizer', 'Another tokenizer', () => {
    if (this.add.value) this.host.ask?.({ do: 'beside', name: this.add.value });
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

  constructor(look: Look, element: HTMLElement, host: LookHost) {
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
      this.end,
    );
    onKeys(this.cols, {
      ArrowLeft: () => this.show(this.at[0], this.at[1] - 1, true),
      ArrowRight: () => this.show(this.at[0], this.at[1] + 1, true),
      p: () => {
        this.pinned = !this.pinned;
      },
    });
    this.update(look, host);
  }

  update(look: Look, host: LookHost): void {
    const other = this.take(look, host);
    this.text = String(look.head.text ?? '');
    const given = Array.isArray(look.head.columns) ? look.head.columns : [];
    needsKernel(this.add, host);
    if (given.length > 2) this.add.disabled = true;
    if (host.ask) this.add.title = given.length > 2 ? 'three at most' : 'a name, or org/name on the Hub';
    if (!other) return;
    this.columns = given.map(each => {
      const texts = textsOf(each?.texts);
      const starts = [0];
      for (const text of texts) starts.push(starts.at(-1)! + text.length);
      return {
        name: String(each?.name ?? ''),
        vocab: Number(each?.vocab) || 0,
        ids: numbersOf(each?.ids),
        texts,
        bytes: textsOf(each?.bytes),
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
    const most = Math.max(...columns.map(each => each.ids.length), 1);
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
    this.end.replaceChildren(
      foot(
        [bold(count(size), ` bytes, ${count([...this.text].length)} characters`), ...share],
        [
          ['← →', 'piece'],
          ['P', 'pin'],
        ],
        { ...this.look.model, name: '' },
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
    const given = Array.isArray(this.look.head.languages) ? this.look.head.languages : [];
    const rows = given.map(each => ({
      name: String(each?.name ?? ''),
      bytes: Number(each?.bytes) || 0,
      counts: numbersOf(each?.counts),
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
