/** Two readings of one text: where B finds a token less likely than A, and where likelier. */

import { arrayOf, type InspectionRecord, numbersOf, textsOf } from '../../protocol/inspection.js';
import type { ModelInfo } from '../../protocol/record.js';
import { bold, footer, indexAt, onKeys, RadioGroup, stepAt, textInput } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import {
  bits,
  bytes,
  count,
  fixed,
  percent,
  probability,
  signed,
  tokenWord,
  visible,
} from '../../ui/format.js';
import { colorScale } from '../../ui/legend.js';
import { svg } from '../../ui/svg.js';
import { BaseInspectionView } from '../inspectionView.js';
import { STYLE } from './compareView.css.js';
import { histogramFigure, intervalFigure } from './figures.js';

const SURPRISE = [1, 2, 3, 5, 8];
const WORST = 7;
const CHUNK = 200;
const BARS = 400;

export class CompareView extends BaseInspectionView {
  private readonly modes = new RadioGroup('measure', ['Δ (B − A)', 'A', 'B'], n => this.setMode(n));
  private readonly legend = h('span');
  private readonly pair = h('div', { class: 'pair' });
  private readonly text = h('div', { class: 'text', tabindex: 0, role: 'slider', 'aria-label': 'tokens' });
  private readonly map = svg('svg', { class: 'map', preserveAspectRatio: 'none', role: 'img' });
  private readonly side = h('aside');
  private readonly say = h('div', { class: 'say', 'aria-live': 'polite' });
  private readonly worst = h('table', { class: 'worst' });
  private readonly find = textInput(
    'search',
    'Find, Δ < -0.2, or flips',
    'Find words, a difference, or flips: where the first choices differ',
    event => this.step(event.shiftKey ? -1 : 1, this.hits),
  );
  private readonly of = h('span', { class: 'fg2' });
  private texts: string[] = [];
  private a: Float64Array = new Float64Array();
  private b: Float64Array = new Float64Array();
  private other!: ModelInfo;
  private swapped = false;
  private mode = 0;
  private at = 0;
  private edges = [0.05, 0.1, 0.2];
  private spans: HTMLElement[] = [];
  private hits: number[] = [];

  constructor(record: InspectionRecord, element: HTMLElement) {
    super(element, STYLE);
    this.find.addEventListener('input', () => this.search());
    this.shell.root.append(
      this.pair,
      h(
        'div',
        { class: 'row' },
        this.modes.element,
        this.legend,
        h('span', { class: 'right' }, this.find, this.of),
      ),
      h('div', { class: 'both' }, h('div', {}, this.text, this.map, this.say), this.side),
      this.worst,
      this.footer,
    );
    onKeys(this.shell.root, {
      ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.go(this.at + 1),
      n: () => this.step(1, this.worstFirst()),
      N: () => this.step(-1, this.worstFirst()),
      1: () => this.setMode(0),
      2: () => this.setMode(1),
      3: () => this.setMode(2),
    });
    this.map.addEventListener('click', event => this.go(indexAt(event, this.map, this.texts.length)));
    this.update(record);
  }

  update(record: InspectionRecord): void {
    if (!this.setRecord(record)) return;
    this.texts = textsOf(record.head.texts);
    this.a = arrayOf(record, 'logprob_a', 1).data;
    this.b = arrayOf(record, 'logprob_b', 1).data;
    const other = (record.head.other ?? {}) as Record<string, unknown>;
    const word = (name: string) => String(other[name] ?? '');
    this.other = {
      name: word('name'),
      precision: word('precision'),
      licence: word('licence'),
      revision: '',
      fingerprint: '',
    };
    this.draw();
  }

  private get sign(): number {
    return this.swapped ? -1 : 1;
  }

  /** log₂ p(B) − log₂ p(A). */
  private delta(n: number): number {
    return (this.sign * (this.b[n]! - this.a[n]!)) / Math.LN2;
  }

  private sides<T>(pair: readonly T[]): [T, T] {
    return this.swapped ? [pair[1]!, pair[0]!] : [pair[0]!, pair[1]!];
  }

  private draw(): void {
    const [a, b] = this.sides([this.record.model, this.other]);
    const chip = (model: ModelInfo, name: string) =>
      h('span', { class: `tag ${name}` }, visible([model.name, model.precision].filter(Boolean).join(' | ')));
    const swap = () => {
      this.swapped = !this.swapped;
      this.draw();
    };
    this.pair.replaceChildren(
      h('b', {}, 'A'),
      chip(a, 'a'),
      'against',
      h('b', {}, 'B'),
      chip(b, 'b'),
      h('button', { class: 'button plain', type: 'button', onclick: swap }, '⇄ swap'),
    );
    const sorted = Array.from(this.texts, (_, n) => Math.abs(this.delta(n))).sort((x, y) => x - y);
    // So that 2 to 10 % of the tokens reach the last step.
    const high = sorted[Math.floor(sorted.length * 0.94)] ?? 0.2;
    const scale = [0.2, 0.4, 1, 2, 4, 10, 20, 40].find(edge => edge >= high) ?? 40;
    this.edges = [scale / 4, scale / 2, scale];
    this.build();
    this.setMode(this.mode);
    this.drawMap();
    this.drawSide();
    this.drawWorst();
    const parted = this.record.head.parted;
    const notes: (HTMLElement | string)[] =
      typeof parted === 'number'
        ? [bold(String(parted + 1), '', 'the answers part at token ')]
        : ['the same text read by both'];
    if (this.texts.length && this.a.every((item, n) => item === this.b[n]))
      notes.unshift(h('b', {}, 'the same bits: no token differs'));
    const alike = this.record.head.alike ? ' tokens' : ' stretches that both cut alike';
    this.footer.replaceChildren(
      footer(
        [bold(count(this.texts.length), alike), ...notes, 'Δ = log₂ p(B) − log₂ p(A)'],
        [
          ['← →', 'token'],
          ['N ⇧N', 'next, previous worst'],
          ['1 – 3', 'measure'],
        ],
        { ...this.record.model, name: '' },
      ),
    );
    this.go(Math.min(this.at, this.texts.length - 1));
  }

  private build(): void {
    // The space before a word is never coloured.
    const lead = this.texts.map(text => /^ (?=.)/s.exec(text)?.[0] ?? '');
    this.spans = this.texts.map((text, n) =>
      h('span', { 'data-n': n, onclick: () => this.go(n) }, visible(text.slice(lead[n]!.length))),
    );
    const parts: HTMLElement[] = [];
    for (let n = 0; n < this.spans.length; n += CHUNK)
      parts.push(
        h(
          'p',
          { style: 'display:inline' },
          ...this.spans.slice(n, n + CHUNK).flatMap((span, k) => [lead[n + k]!, span]),
        ),
      );
    const rests = this.sides(textsOf(this.record.head.rests));
    if (typeof this.record.head.parted === 'number')
      parts.push(
        h('p', {}, h('em', {}, 'A goes on: '), visible(rests[0] || '(end)')),
        h('p', {}, h('em', {}, 'B goes on: '), visible(rests[1] || '(end)')),
      );
    this.text.replaceChildren(...parts);
  }

  private step3(n: number): string {
    const delta = this.delta(n);
    const step = stepAt(this.edges, Math.abs(delta));
    return step ? `${delta < 0 ? 'l' : 'g'}${step}` : '';
  }

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    const [a, b] = this.sides([this.a, this.b]);
    for (const [n, span] of this.spans.entries()) {
      const step = mode ? stepAt(SURPRISE, bits(-(mode === 1 ? a : b)[n]!)) : 0;
      span.className = mode ? (step ? `h${step}` : '') : this.step3(n);
    }
    this.spans[this.at]?.classList.add('at');
    if (mode) this.legend.replaceChildren(colorScale('bits', 'h', SURPRISE));
    else {
      const [x, y, z] = this.edges.map(edge => String(Number(edge.toPrecision(2))));
      const all = ['l3', 'l2', 'l1', 'none', 'g1', 'g2', 'g3'];
      const names = [undefined, `−${z}`, `−${y}`, `−${x}`, `+${x}`, `+${y}`, `+${z}`];
      this.legend.replaceChildren(
        h(
          'span',
          { class: 'legend', role: 'img', 'aria-label': `bits: steps at ${x}, ${y}, ${z}` },
          'B less likely',
          h(
            'span',
            { class: 'swatches wide' },
            ...all.map((name, n) => h('i', { class: name, 'data-n': names[n] })),
          ),
          'more likely, bits',
        ),
      );
    }
  }

  private go(n: number): void {
    if (!this.texts.length) return;
    this.spans[this.at]?.classList.remove('at');
    this.at = Math.max(0, Math.min(this.texts.length - 1, n));
    const span = this.spans[this.at]!;
    span.classList.add('at');
    const top = span.offsetTop - this.text.offsetTop;
    if (top < this.text.scrollTop || top > this.text.scrollTop + this.text.clientHeight - 30)
      this.text.scrollTop = top - 60;
    const [a, b] = this.sides([this.a, this.b]);
    const p = [a, b].map(side => percent(probability(side[this.at]!)));
    const favourites = (this.record.head.favourites as Record<string, unknown> | undefined)?.[this.at];
    const first = this.sides(textsOf(favourites));
    const word = tokenWord(this.texts[this.at]!);
    this.text.setAttribute('aria-valuetext', `${word}: A ${p[0]}, B ${p[1]}`);
    this.say.replaceChildren(
      h('code', {}, word),
      ` (${count(this.at + 1)}): A ${p[0]}, B ${p[1]}, `,
      h('b', {}, `${signed(this.delta(this.at), 2)} bits`),
      ...(first[0] === undefined
        ? []
        : [
            ' · A would say ',
            h('code', {}, tokenWord(first[0])),
            ', B ',
            h('code', {}, tokenWord(first[1] ?? '')),
          ]),
    );
    this.map.querySelector('.here')?.setAttribute('transform', `translate(${(this.at + 0.5) * this.wide},0)`);
  }

  private step(by: number, places: readonly number[]): void {
    if (!places.length) return;
    const now = places.indexOf(this.at);
    this.go(places[(now + by + places.length) % places.length]!);
  }

  private worstFirst(): number[] {
    return Array.from(this.texts, (_, n) => n)
      .filter(n => this.delta(n) < 0)
      .sort((x, y) => this.delta(x) - this.delta(y))
      .slice(0, 50);
  }

  private search(): void {
    const query = this.find.value.trim();
    const bound = /^(?:Δ|d|delta)?\s*([<>])\s*([-−+]?[\d.]+)/i.exec(query);
    const limit = bound ? Number(bound[2]!.replace('−', '-')) : 0;
    const low = query.toLowerCase();
    const same = this.record.arrays.get('same')?.data;
    const hit = (n: number) => {
      if (bound) return bound[1] === '<' ? this.delta(n) < limit : this.delta(n) > limit;
      return low === 'flips' ? same?.[n] === 0 : this.texts[n]!.toLowerCase().includes(low);
    };
    this.hits = query ? this.texts.map((_, n) => n).filter(hit) : [];
    for (const [n, span] of this.spans.entries()) span.classList.toggle('hit', this.hits.includes(n));
    this.of.textContent = query ? `${count(this.hits.length)} found` : '';
    if (this.hits.length) this.go(this.hits[0]!);
  }

  private wide = 1;

  /** One bar a token, up where B gained; of a long text the strongest of each stretch. */
  private drawMap(): void {
    const many = this.texts.length;
    const bars = Math.min(many, BARS);
    const high = Math.max(...Array.from(this.texts, (_, n) => Math.abs(this.delta(n))), 1e-6);
    this.wide = 800 / Math.max(many, 1);
    this.map.setAttribute('viewBox', '0 0 800 90');
    this.map.setAttribute('aria-label', `differences of ${many} tokens, at most ${fixed(high, 2)} bits`);
    this.map.replaceChildren(svg('line', { class: 'axis', x1: 0, x2: 800, y1: 42, y2: 42 }));
    for (let bar = 0; bar < bars; bar++) {
      let most = 0;
      for (let n = Math.floor((bar * many) / bars); n < Math.floor(((bar + 1) * many) / bars); n++)
        if (Math.abs(this.delta(n)) > Math.abs(most)) most = this.delta(n);
      const tall = (Math.abs(most) / high) * 38;
      const wide = 800 / bars;
      this.map.append(
        svg('rect', {
          class: most < 0 ? 'l' : 'g',
          x: bar * wide,
          y: most < 0 ? 42 : 42 - tall,
          width: Math.max(wide - 1, 0.5),
          height: tall,
        }),
      );
    }
    this.map.append(svg('path', { class: 'here', d: 'M-5,90 L5,90 L0,82 Z' }));
  }

  private drawSide(): void {
    const { head } = this.record;
    const row = (name: string, pair: string[]) =>
      h('tr', {}, h('td', {}, name), ...this.sides(pair).map(text => h('td', {}, text)));
    const numbersIn = (name: string) => numbersOf(head[name]);
    const memory = numbersIn('memory');
    const same = this.record.arrays.get('same');
    const alike = same ? same.data.filter(item => item === 1).length : 0;
    const known = !!same && same.data.length > 0 && !same.data.includes(2);
    const [low, high] = (this.swapped ? numbersIn('interval').reverse() : numbersIn('interval')).map(
      value => this.sign * value,
    ) as [number, number];
    const mean = this.sign * Number(head.mean);
    const words = !(low <= high)
      ? 'too few to say'
      : low <= 0 && high >= 0
        ? 'no clear difference: 0 lies within'
        : low > 0
          ? 'B finds this text likelier'
          : 'B finds this text less likely';
    this.side.replaceChildren(
      h(
        'table',
        {},
        h('tr', {}, h('td'), h('th', {}, 'A'), h('th', {}, 'B')),
        row(
          'perplexity',
          numbersIn('perplexity').map(value => fixed(value, 3)),
        ),
        row(
          'bits/byte',
          numbersIn('bits_per_byte').map(value => fixed(value, 4)),
        ),
        memory.length === 2 && memory.some(Boolean) ? row('memory', memory.map(bytes)) : null,
        known
          ? h(
              'tr',
              {},
              h('td', {}, 'same first choice'),
              h(
                'td',
                { colspan: 2 },
                `${count(alike)} of ${count(same.data.length)} · ${percent(alike / same.data.length)}`,
              ),
            )
          : null,
      ),
      h('p', {}, 'mean Δ, bits/token, 95 % interval'),
      h(
        'div',
        {},
        h('span', { class: 'mean' }, signed(mean, 3)),
        h('span', { class: 'fg2' }, ` [${signed(low, 3)}, ${signed(high, 3)}]`),
      ),
      h('div', { class: 'fg2' }, words),
      intervalFigure(mean, low, high),
      h('p', {}, 'tokens by Δ'),
      histogramFigure(
        this.texts.map((_, n) => this.delta(n)),
        this.edges[2]!,
      ),
    );
  }

  private drawWorst(): void {
    const [a, b] = this.sides([this.a, this.b]);
    const low = -4;
    const x = (logprob: number) =>
      10 + ((Math.max(Math.log10(probability(logprob)), low) - low) / -low) * 200;
    const heads = ['#', 'token in its context', 'A', '', 'B', 'Δ bits'];
    const rows = this.worstFirst()
      .slice(0, WORST)
      .map(n => {
        const plot = svg('svg', { width: 220, height: 18 });
        for (let tick = 0; tick <= 4; tick++)
          plot.append(svg('line', { x1: 10 + tick * 50, x2: 10 + tick * 50, y1: 0, y2: 18 }));
        plot.append(
          svg('circle', { class: 'a', cx: x(a[n]!), cy: 9, r: 5 }),
          svg('circle', { class: 'b', cx: x(b[n]!), cy: 9, r: 5.5 }),
        );
        const before = this.texts.slice(Math.max(0, n - 5), n).join('');
        const after = this.texts.slice(n + 1, n + 4).join('');
        const context = [
          `…${oneLine(before).slice(-26)}`,
          h('span', { class: this.step3(n) }, oneLine(this.texts[n]!)),
          `${oneLine(after).slice(0, 14)}…`,
        ];
        return h(
          'tr',
          { onclick: () => this.go(n) },
          h('td', {}, count(n + 1)),
          h('td', { class: 'c' }, ...context),
          h('td', {}, percent(probability(a[n]!))),
          h('td', { class: 'plot' }, plot),
          h('td', {}, percent(probability(b[n]!))),
          h('td', { class: 'd' }, signed(this.delta(n), 2)),
        );
      });
    const head = heads.map((name, n) =>
      h(name ? 'th' : 'td', { class: n === 1 ? 'c' : n === 3 ? 'plot' : '' }, name),
    );
    this.worst.replaceChildren(
      h('caption', {}, rows.length ? 'Where B loses most' : 'B loses nowhere'),
      h('tr', {}, ...head),
      ...rows,
    );
  }
}

const oneLine = (text: string) => visible(text.replace(/\n/g, '⏎'));
