/** Watch: chosen strings followed through a text, as lines over its tokens. */

import { arrayOf, type InspectionRecord, textsOf } from '../protocol/inspection.js';
import { bold, footer, indexAt, onKeys, RadioGroup } from '../ui/controls.js';
import { h } from '../ui/dom.js';
import { count, percent, plural, probability, tokenWord, visible } from '../ui/format.js';
import { points, svg } from '../ui/svg.js';
import { BaseInspectionView } from './inspectionView.js';
import { HIGH, STYLE } from './trackView.css.js';

const WIDE = 1000;

export class TrackView extends BaseInspectionView {
  private readonly modes = new RadioGroup('measure', ['Probability', 'Rank'], n => this.setMode(n));
  private readonly names = h('div', { class: 'names' });
  private readonly plot = svg('svg', {
    class: 'plot',
    preserveAspectRatio: 'none',
    viewBox: `0 0 ${WIDE} ${HIGH + 26}`,
    role: 'img',
  });
  private readonly text = h('div', { class: 'text', tabindex: 0, role: 'group', 'aria-label': 'tokens' });
  private readonly table = h('table');
  private texts: string[] = [];
  private watched: { text: string; first: string; longer: boolean }[] = [];
  private mode = 0;
  private at = 0;

  constructor(record: InspectionRecord, element: HTMLElement) {
    super(element, STYLE);
    this.shell.root.append(
      h('div', { class: 'row' }, this.modes.element),
      this.names,
      this.plot,
      this.text,
      this.table,
      this.footer,
    );
    this.plot.addEventListener('pointermove', event => this.go(indexAt(event, this.plot, this.texts.length)));
    onKeys(this.shell.root, {
      ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.go(this.at + 1),
      1: () => this.setMode(0),
      2: () => this.setMode(1),
    });
    this.update(record);
  }

  update(record: InspectionRecord): void {
    if (!this.setRecord(record)) return;
    this.texts = textsOf(record.head.texts);
    const raw = Array.isArray(record.head.watch) ? record.head.watch : [];
    this.watched = raw.map(item => ({
      text: String(item?.text ?? ''),
      first: String(item?.first ?? ''),
      longer: !!item?.longer,
    }));
    arrayOf(record, 'logprob', 2);
    arrayOf(record, 'rank', 2);
    const prompt = Number(record.head.prompt) || 0;
    this.text.replaceChildren(
      ...this.texts.map((text, n) =>
        h(
          'span',
          { class: n < prompt ? 'before' : '', 'data-n': n, onclick: () => this.go(n) },
          visible(text),
        ),
      ),
    );
    this.at = this.texts.length - 1;
    this.setMode(this.mode);
    const longer = this.watched
      .filter(entry => entry.longer)
      .map(value => `${tokenWord(value.text)} by its first token ${tokenWord(value.first)}`);
    this.footer.replaceChildren(
      footer(
        [
          bold(count(this.watched.length), plural(this.watched.length, 'string')),
          bold(count(this.texts.length), plural(this.texts.length, 'token')),
          ...longer,
        ],
        [
          ['← →', 'token'],
          ['1 2', 'measure'],
        ],
        record.model,
      ),
    );
  }

  private value(n: number, at: number): number {
    return this.record.arrays.get(this.mode ? 'rank' : 'logprob')!.data[n * this.texts.length + at]!;
  }

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    this.draw();
  }

  private draw(): void {
    const many = this.texts.length;
    const most = Math.max(...(this.record.arrays.get('rank')?.data ?? []), 9) + 1;
    const x = (at: number) => ((at + 0.5) / Math.max(many, 1)) * WIDE;
    // Down to one in a million; ranks on a log axis with the first at the top.
    const y = (n: number, at: number) =>
      this.mode
        ? 8 + (Math.log(this.value(n, at) + 1) / Math.log(most)) * HIGH
        : 8 + Math.min(this.value(n, at) / Math.log(1e-6), 1) * HIGH;
    const ticks: [string, number][] = this.mode
      ? [1, 10, 100, 1000, 10000]
          .filter(rank => rank <= most)
          .map(rank => [count(rank), 8 + (Math.log(rank) / Math.log(most)) * HIGH])
      : ['100 %', '1 %', '0.01 %'].map((name, n) => [name, 8 + ((2 * n) / 6) * HIGH]);
    this.plot.replaceChildren();
    for (const [name, at] of ticks)
      this.plot.append(
        svg('line', { x1: 0, x2: WIDE, y1: at, y2: at }),
        svg('text', { x: 2, y: Math.max(at - 3, 10) }, name),
      );
    for (const [n] of this.watched.entries()) {
      const all = Array.from({ length: many }, (_, at) => at);
      this.plot.append(
        svg('polyline', {
          class: `k${n % 8}`,
          points: points(
            all.map(x),
            all.map(at => y(n, at)),
          ),
        }),
      );
    }
    if (many === 1)
      for (const [n] of this.watched.entries())
        this.plot.append(svg('circle', { class: `k${n % 8}`, cx: x(0), cy: y(n, 0), r: 4 }));
    this.plot.append(svg('line', { class: 'here', x1: 0, x2: 0, y1: 0, y2: HIGH + 12 }));
    this.plot.setAttribute(
      'aria-label',
      `${this.mode ? 'rank' : 'probability'} of ${this.watched.map(item => tokenWord(item.text)).join(', ')} over ${many} tokens`,
    );
    this.names.replaceChildren(
      ...this.watched.map((entry, n) =>
        h(
          'span',
          {},
          svg(
            'svg',
            { viewBox: '0 0 26 8' },
            svg('line', { class: `k${n % 8}`, x1: 0, x2: 26, y1: 4, y2: 4, 'stroke-width': 2 }),
          ),
          h('code', {}, tokenWord(entry.text)),
        ),
      ),
    );
    this.go(this.at);
  }

  private go(n: number): void {
    this.at = Math.max(0, Math.min(this.texts.length - 1, n));
    for (const span of this.text.children)
      span.classList.toggle('at', Number((span as HTMLElement).dataset.n) === this.at);
    const x = ((this.at + 0.5) / Math.max(this.texts.length, 1)) * WIDE;
    this.plot.querySelector('.here')?.setAttribute('transform', `translate(${x},0)`);
    const size = this.texts.length;
    const logprob = this.record.arrays.get('logprob')!.data;
    const rank = this.record.arrays.get('rank')!.data;
    this.table.replaceChildren(
      h(
        'tr',
        {},
        h('th', {}, 'behind ', h('code', {}, tokenWord(this.texts[this.at] ?? '')), ` (${this.at + 1})`),
        h('th', {}, 'probability'),
        h('th', {}, 'rank'),
      ),
      ...this.watched.map((item, n) =>
        h(
          'tr',
          {},
          h('td', {}, h('code', {}, tokenWord(item.text))),
          h('td', {}, percent(probability(logprob[n * size + this.at]!))),
          h('td', {}, count(rank[n * size + this.at]! + 1)),
        ),
      ),
    );
  }
}
