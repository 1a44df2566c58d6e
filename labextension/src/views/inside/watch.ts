/** Watch: chosen strings followed through a text, as lines over its tokens. */

import { h } from '../../dom.js';
import { count, percent, plural, probability, tokenWord, visible } from '../../format.js';
import { type Look, numbers, textsOf } from '../../inside.js';
import { points, svg } from '../../svg.js';
import { bold, Choice, foot, onKeys, placeAt } from './parts.js';
import { InsideView } from './view.js';

const WIDE = 1000;
const HIGH = 200;
const STYLE = `
.plot{display:block;width:100%;height:${HIGH + 26}px;font:10.5px var(--llm-ui);cursor:crosshair}.plot text{fill:var(--llm-fg2)}.plot line{stroke:var(--llm-line)}.plot polyline{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}.plot .here{stroke:var(--llm-accent);stroke-width:2}
.k0{stroke:var(--llm-mass-solid)}.k1{stroke:var(--llm-heat-solid);stroke-dasharray:6 3}.k2{stroke:var(--llm-fg2);stroke-dasharray:2 3}.k3{stroke:var(--llm-mass-line);stroke-dasharray:10 4}.k4{stroke:var(--llm-heat-line);stroke-dasharray:1 3}.k5{stroke:var(--llm-fg3)}.k6{stroke:var(--llm-fg2);stroke-dasharray:12 3 2 3}.k7{stroke:var(--llm-fg)}
.names{display:flex;flex-wrap:wrap;gap:4px 18px;margin:4px 0 8px}.names svg{width:26px;height:8px;vertical-align:middle;margin-right:6px}
.text{font:15px/27px var(--llm-text);max-width:41em;max-height:30vh;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere}.text span{border-radius:2px;cursor:default}.text .at{outline:2px solid var(--llm-accent);outline-offset:1px}.text .before{color:var(--llm-fg2)}
table{border-collapse:collapse;margin-top:8px}td,th{padding:3px 14px 3px 0;text-align:right;font-weight:400;border-bottom:1px solid var(--llm-line)}:is(td,th):first-child{text-align:left}th{color:var(--llm-fg2);font-size:11px}`;

export class WatchView extends InsideView {
  private readonly modes = new Choice('measure', ['Probability', 'Rank'], n => this.setMode(n));
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

  constructor(look: Look, element: HTMLElement) {
    super(element, STYLE);
    this.shell.root.append(
      h('div', { class: 'row' }, this.modes.element),
      this.names,
      this.plot,
      this.text,
      this.table,
      this.end,
    );
    this.plot.addEventListener('pointermove', event => this.go(placeAt(event, this.plot, this.texts.length)));
    onKeys(this.shell.root, {
      ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.go(this.at + 1),
      1: () => this.setMode(0),
      2: () => this.setMode(1),
    });
    this.update(look);
  }

  update(look: Look): void {
    if (!this.take(look)) return;
    this.texts = textsOf(look.head.texts);
    const given = Array.isArray(look.head.watch) ? look.head.watch : [];
    this.watched = given.map(each => ({
      text: String(each?.text ?? ''),
      first: String(each?.first ?? ''),
      longer: !!each?.longer,
    }));
    numbers(look, 'logprob', 2);
    numbers(look, 'rank', 2);
    const prompt = Number(look.head.prompt) || 0;
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
      .filter(each => each.longer)
      .map(each => `${tokenWord(each.text)} by its first token ${tokenWord(each.first)}`);
    this.end.replaceChildren(
      foot(
        [
          bold(count(this.watched.length), plural(this.watched.length, 'string')),
          bold(count(this.texts.length), plural(this.texts.length, 'token')),
          ...longer,
        ],
        [
          ['← →', 'token'],
          ['1 2', 'measure'],
        ],
        look.model,
      ),
    );
  }

  private value(n: number, at: number): number {
    return this.look.arrays.get(this.mode ? 'rank' : 'logprob')!.data[n * this.texts.length + at]!;
  }

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    this.draw();
  }

  private draw(): void {
    const many = this.texts.length;
    const most = Math.max(...(this.look.arrays.get('rank')?.data ?? []), 9) + 1;
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
      `${this.mode ? 'rank' : 'probability'} of ${this.watched.map(each => tokenWord(each.text)).join(', ')} over ${many} tokens`,
    );
    this.names.replaceChildren(
      ...this.watched.map((each, n) =>
        h(
          'span',
          {},
          svg(
            'svg',
            { viewBox: '0 0 26 8' },
            svg('line', { class: `k${n % 8}`, x1: 0, x2: 26, y1: 4, y2: 4, 'stroke-width': 2 }),
          ),
          h('code', {}, tokenWord(each.text)),
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
    const logprob = this.look.arrays.get('logprob')!.data;
    const rank = this.look.arrays.get('rank')!.data;
    this.table.replaceChildren(
      h(
        'tr',
        {},
        h('th', {}, 'behind ', h('code', {}, tokenWord(this.texts[this.at] ?? '')), ` (${this.at + 1})`),
        h('th', {}, 'probability'),
        h('th', {}, 'rank'),
      ),
      ...this.watched.map((each, n) =>
        h(
          'tr',
          {},
          h('td', {}, h('code', {}, tokenWord(each.text))),
          h('td', {}, percent(probability(logprob[n * size + this.at]!))),
          h('td', {}, count(rank[n * size + this.at]! + 1)),
        ),
      ),
    );
  }
}
