/** The logit lens: layers × tokens, what the model would say if it ended there. */

import type { Numbers } from '../../protocol/arrays.js';
import { arrayOf, type InspectionRecord, textsOf, wordsOf } from '../../protocol/inspection.js';
import { bar, bold, footer, onKeys, RadioGroup, slider, stepAt, textInput } from '../../ui/controls.js';
import { h, perFrame } from '../../ui/dom.js';
import { bits, count, fixed, ordinal, percent, plural, probability, tokenWord } from '../../ui/format.js';
import { colorScale } from '../../ui/legend.js';
import { svg } from '../../ui/svg.js';
import { BaseInspectionView, type InspectionHost } from '../inspectionView.js';
import { COLUMN, HEAD, LABELS, SAYS, SHOWN, STYLE } from './lensView.css.js';
import { CHART, curveFigure, RankAxis, ROW } from './rankCurve.js';

const DEEP = 24; // layers
const LOW_ROW = 16; // px
const PROBABILITY = [0.1, 1, 10, 50, 90];
const RANK = [2, 3, 6, 21, 101];
const ENTROPY = [1, 2, 3, 5, 7];

const MODES = ['Probability', 'Rank', 'Entropy'] as const;

export class LensView extends BaseInspectionView {
  private readonly grid = h('div', {
    class: 'grid',
    tabindex: 0,
    role: 'application',
    'aria-label': 'layers by tokens: arrow keys choose one',
  });
  private readonly plane = h('div', { class: 'plane' });
  private readonly top = h('div', { class: 'top' });
  private readonly body = h('div', { class: 'body' });
  private readonly says = h('div', { class: 'says' });
  private readonly labels = h('div', { class: 'labels' });
  private readonly overview = h('canvas', {
    'aria-hidden': 'true',
    title: 'all layers over the whole text: click to go there',
  });
  private readonly line = h('div', { class: 'line' });
  private readonly curve = h('div', { class: 'curve' });
  private readonly say = h('span', { class: 'say', 'aria-live': 'polite' });
  private readonly ten = h('div', { class: 'ten', hidden: true });
  private readonly legend = h('span');
  private readonly matches = h('span', { class: 'matches', 'aria-live': 'polite' });
  private readonly slide;
  private readonly modes;
  private readonly columns = new Map<number, HTMLElement>();
  private readonly frame = perFrame(() => this.fill());
  private mode = 0;
  private layer = 0;
  private token = 0;
  private texts: string[] = [];
  private word = (id: number) => `#${id}`;
  private axis!: RankAxis;
  private a!: { ids: Numbers; top: Numbers; p: Numbers; rank: Numbers; entropy: Numbers; kl: Numbers };

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.modes = new RadioGroup('colour', MODES, n => this.setMode(n));
    this.read(record);
    this.layer = this.layers - 1;
    this.token = this.texts.length - 1;
    this.slide = slider('Layer', { min: 1, max: this.layers, step: 1 }, value =>
      this.go(value - 1, this.token),
    );
    this.body.append(this.labels, this.line);
    this.plane.append(this.top, this.body, this.says);
    this.grid.append(this.plane);
    const find = textInput('search', 'Find a token', 'Find a token', event =>
      this.find(find.value, event.shiftKey ? -1 : 1),
    );
    this.shell.root.append(
      h(
        'div',
        { class: 'row' },
        this.modes.element,
        this.legend,
        h('span', { class: 'right' }, this.matches, find),
      ),
      this.busy,
      h('div', { class: 'above' }, this.slide.element, this.say),
      h('div', { class: 'hold' }, this.grid, this.ten),
    );
    find.addEventListener('input', () => this.count(find.value));
    this.grid.addEventListener('scroll', () => this.frame.ask());
    this.overview.addEventListener('click', event => {
      const share = event.offsetY / Math.max(this.overview.clientHeight, 1);
      this.grid.scrollTop = share * this.layers * this.row - this.grid.clientHeight / 2;
    });
    onKeys(this.grid, {
      ArrowUp: () => this.go(this.layer - 1, this.token),
      ArrowDown: () => this.go(this.layer + 1, this.token),
      ArrowLeft: () => this.go(this.layer, this.token - 1),
      ArrowRight: () => this.go(this.layer, this.token + 1),
      Home: () => this.go(0, this.token),
      End: () => this.go(this.layers - 1, this.token),
      Enter: () => this.open(),
      Escape: () => this.close(),
      1: () => this.setMode(0),
      2: () => this.setMode(1),
      3: () => this.setMode(2),
    });
    this.update(record, host);
    const answer = () => {
      this.grid.scrollTop = this.grid.scrollHeight;
      this.grid.scrollLeft = this.grid.scrollWidth;
      this.fill();
    };
    requestAnimationFrame(answer);
    let reopened = !this.grid.isConnected;
    this.shell.onColors(() => {
      this.drawOverview();
      if (reopened) answer();
      reopened = false;
    });
  }

  /** px: a deep model's rows are lower, so that all of it is in sight. */
  private get row(): number {
    return this.layers > DEEP ? LOW_ROW : ROW;
  }

  private get layers(): number {
    return this.a.rank.shape[0]!;
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    if (!this.setRecord(record, host)) return;
    this.read(record);
    this.layer = Math.min(this.layer, this.layers - 1);
    this.token = Math.min(this.token, this.texts.length - 1);
    this.frameUp();
    this.setMode(this.mode);
  }

  override dispose(): void {
    this.frame.cancel();
    super.dispose();
  }

  private read(record: InspectionRecord): void {
    this.texts = textsOf(record.head.texts);
    this.word = wordsOf(record.head.words);
    this.a = {
      ids: arrayOf(record, 'top_ids', 3),
      top: arrayOf(record, 'top_logprobs', 3),
      p: arrayOf(record, 'logprob', 2),
      rank: arrayOf(record, 'rank', 2),
      entropy: arrayOf(record, 'entropy', 2),
      kl: arrayOf(record, 'kl', 2),
    };
    this.texts.length = this.a.rank.shape[1]!;
    this.axis = new RankAxis(this.a.rank.data);
  }

  private at(layer: number, token: number): number {
    return layer * this.texts.length + token;
  }

  /** The n-th best there: its id. */
  private best(layer: number, token: number, n = 0): number {
    return this.a.ids.data[this.at(layer, token) * this.a.ids.shape[2]! + n]!;
  }

  private answer(token: number): number {
    return this.best(this.layers - 1, token);
  }

  // --- what stands still

  private frameUp(): void {
    const wide = this.texts.length * COLUMN;
    const height = this.layers * this.row;
    const curve = CHART + 24;
    this.grid.style.setProperty('--row', `${this.row}px`);
    this.plane.style.width = `${LABELS + wide + curve}px`;
    this.body.style.height = `${height}px`;
    this.top.replaceChildren(this.curveHead(), h('span', { class: 'corner' }, 'layer'));
    this.says.replaceChildren(this.curveFoot(), h('span', { class: 'corner' }, 'says'));
    this.labels.replaceChildren(this.overview);
    for (let layer = 0; layer < this.layers; layer++) this.labels.append(h('span', {}, String(layer + 1)));
    this.curve.remove();
    this.curve.style.height = `${height}px`;
    this.body.prepend(this.curve);
    for (const column of this.columns.values()) column.remove();
    this.columns.clear();
  }

  private drawFooter(): void {
    for (const old of this.shell.root.querySelectorAll('.foot')) old.remove();
    const leads = this.leadsFrom(this.token);
    this.shell.root.append(
      footer(
        [
          bold(`${this.layers}`, ' layers'),
          bold(count(this.texts.length), plural(this.texts.length, 'token')),
          'bold: already the final answer',
          bold(String(leads), '', `${tokenWord(this.word(this.answer(this.token)))} leads from layer `),
        ],
        [
          ['↑ ↓', 'layer'],
          ['← →', 'token'],
          ['⏎', 'top ten'],
        ],
        this.record.model,
      ),
    );
  }

  private curveHead(): HTMLElement {
    return h('div', { class: 'curve', style: 'height:100%' });
  }

  private curveFoot(): HTMLElement {
    const element = h('div', { class: 'curve', style: 'height:100%;font-weight:400' });
    const picture = svg('svg', { width: CHART, height: SAYS });
    for (const [rank, x] of this.axis.marks())
      picture.append(svg('text', { x, y: 16, 'text-anchor': 'middle' }, rank));
    element.append(picture);
    return element;
  }

  // --- what is in view

  private fill(): void {
    const { scrollLeft, clientWidth } = this.grid;
    const from = Math.max(0, Math.floor((scrollLeft - LABELS) / COLUMN) - 4);
    const to = Math.min(this.texts.length, Math.ceil((scrollLeft + Math.max(clientWidth, 900)) / COLUMN) + 4);
    for (const [token, column] of this.columns)
      if (token < from || token >= to) {
        column.remove();
        this.columns.delete(token);
      }
    for (const old of this.plane.querySelectorAll('.top>.t,.says>.t')) old.remove();
    for (let token = from; token < to; token++) {
      if (!this.columns.has(token)) this.columns.set(token, this.column(token));
      const left = `left:${LABELS + token * COLUMN}px`;
      const on = token === this.token ? 't on' : 't';
      const name = tokenWord(this.texts[token] ?? '');
      const pick = () => this.go(this.layer, token);
      this.top.append(
        h(
          'span',
          { class: on, style: left, title: name, onclick: pick },
          h('small', {}, String(token + 1)),
          name,
        ),
      );
      const word = tokenWord(this.word(this.answer(token)));
      this.says.append(h('span', { class: on, style: left, title: word }, word));
    }
    this.mark();
  }

  private column(token: number): HTMLElement {
    const column = h('div', { class: 'col', style: `left:${LABELS + token * COLUMN}px` });
    for (let layer = 0; layer < this.layers; layer++) {
      const word = tokenWord(this.word(this.best(layer, token)));
      const cell = h('div', { class: this.colour(layer, token), title: word }, word);
      cell.addEventListener('click', () => {
        this.go(layer, token);
        this.open();
      });
      cell.addEventListener('pointerenter', () => this.describeCell(layer, token));
      column.append(cell);
    }
    this.body.append(column);
    return column;
  }

  private colour(layer: number, token: number): string {
    const at = this.at(layer, token);
    const same = this.best(layer, token) === this.answer(token) ? ' same' : '';
    const { p, rank, entropy } = this.a;
    if (this.mode === 0) return `m${stepAt(PROBABILITY, 100 * probability(p.data[at]!))}${same}`;
    if (this.mode === 1) return `h${stepAt(RANK, rank.data[at]! + 1)}${same}`;
    return `h${stepAt(ENTROPY, bits(entropy.data[at]!))}${same}`;
  }

  // --- what is chosen

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    const shown =
      mode === 0
        ? colorScale('of the final answer, %', 'm', PROBABILITY)
        : mode === 1
          ? colorScale('rank of the final answer', 'h', RANK)
          : colorScale('entropy, bits', 'h', ENTROPY);
    this.legend.replaceChildren(shown);
    for (const [token, column] of this.columns)
      for (const [layer, cell] of [...column.children].entries()) cell.className = this.colour(layer, token);
    this.drawOverview();
    this.go(this.layer, this.token);
  }

  private go(layer: number, token: number): void {
    this.layer = Math.max(0, Math.min(this.layers - 1, layer));
    this.token = Math.max(0, Math.min(this.texts.length - 1, token));
    this.slide.set(this.layer + 1);
    this.reveal();
    this.fill();
    this.describeCell(this.layer, this.token);
    this.drawCurve();
    this.drawFooter();
    if (!this.ten.hidden) this.open();
  }

  private reveal(): void {
    const { grid } = this;
    const left = this.token * COLUMN;
    const room = grid.clientWidth - LABELS - (this.curve.offsetWidth || 0) - COLUMN;
    if (left < grid.scrollLeft) grid.scrollLeft = left - COLUMN;
    else if (room > 0 && left > grid.scrollLeft + room) grid.scrollLeft = left - room;
    const top = this.layer * this.row;
    const high = grid.clientHeight - HEAD - SAYS - 2 * this.row;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (high > 0 && top > grid.scrollTop + high) grid.scrollTop = top - high;
  }

  private mark(): void {
    this.line.style.top = `${this.layer * this.row - 1}px`;
    for (const [n, label] of [...this.labels.querySelectorAll('span')].entries())
      label.className = n === this.layer ? 'on' : '';
    for (const old of this.body.querySelectorAll('.here')) old.classList.remove('here');
    this.columns.get(this.token)?.children[this.layer]?.classList.add('here');
  }

  private describeCell(layer: number, token: number): void {
    const at = this.at(layer, token);
    const code = (text: string) => h('code', {}, tokenWord(text));
    const answer = this.word(this.answer(token));
    const place = this.a.rank.data[at]! + 1;
    const is = this.best(layer, token) === this.answer(token);
    const p = percent(probability(this.a.top.data[at * this.a.top.shape[2]!]!));
    this.say.replaceChildren(
      `after layer ${layer + 1}, at `,
      code(this.texts[token] ?? ''),
      ` (${token + 1}), it would say `,
      h('b', {}, code(this.word(this.best(layer, token)))),
      ` ${p}`,
      ...(is ? [', its final answer'] : ['; ', code(answer), ` is ${ordinal(place)}`]),
      ` · KL ${fixed(this.a.kl.data[at]! / Math.LN2, 2)} bits to the last layer`,
    );
  }

  private drawCurve(): void {
    const name = tokenWord(this.word(this.answer(this.token)));
    const ranks = Array.from(
      { length: this.layers },
      (_, n) => this.a.rank.data[this.at(n, this.token)]! + 1,
    );
    const p = probability(this.a.p.data[this.at(this.layer, this.token)]!);
    const label = `rank ${count(ranks[this.layer]!)} · ${percent(p)}`;
    this.curve.replaceChildren(
      curveFigure(ranks, this.watched(), this.layer, label, name, this.axis, this.row),
    );
    const watch = this.watchNames().map((text, n) => `${n ? ',' : ' ·'} ${n ? '┈' : '╌'} ${tokenWord(text)}`);
    const words = h('span', { class: 'of' }, 'rank of ', h('b', {}, name), ' by layer', ...watch);
    this.top.querySelector('.curve')?.replaceChildren(words);
  }

  private watchNames(): string[] {
    const raw = this.record.head.watch;
    return (Array.isArray(raw) ? raw : []).slice(0, 2).map(item => String(item?.text ?? ''));
  }

  /** The ranks of watched tokens at this place, by layer. */
  private watched(): number[][] {
    const ranks = this.record.arrays.get('watch_rank');
    if (ranks?.shape.length !== 3) return [];
    const size = this.layers * this.texts.length;
    const layers = Array.from({ length: this.layers }, (_, layer) => layer);
    return this.watchNames().map((_, n) =>
      layers.map(layer => ranks.data[n * size + this.at(layer, this.token)]! + 1),
    );
  }

  private drawOverview(): void {
    const { overview } = this;
    const tokens = Math.min(this.texts.length, 10);
    const height = this.layers * this.row;
    overview.width = 10;
    overview.height = this.layers * 4;
    overview.style.height = `${Math.min(height, SHOWN * this.row)}px`;
    overview.style.position = 'sticky';
    overview.style.top = `${HEAD}px`;
    overview.style.float = 'left';
    overview.style.marginLeft = '-14px';
    const paint = overview.getContext('2d');
    if (!paint) return;
    for (let layer = 0; layer < this.layers; layer++)
      for (let x = 0; x < tokens; x++) {
        const token = Math.floor((x / tokens) * this.texts.length);
        const [name] = this.colour(layer, token).split(' ');
        const step = name!.slice(1);
        if (step === '0') continue;
        paint.fillStyle = this.shell.color(`--llm-${name![0] === 'm' ? 'mass' : 'heat'}-${step}`);
        paint.fillRect((x * 10) / tokens, layer * 4, 10 / tokens, 4);
      }
  }

  /** From this layer on, counted from 1, the answer stays first. */
  private leadsFrom(token: number): number {
    let layer = this.layers - 1;
    while (layer > 0 && this.a.rank.data[this.at(layer - 1, token)] === 0) layer--;
    return layer + 1;
  }

  private open(): void {
    const { layer, token } = this;
    const many = this.a.ids.shape[2]!;
    const list = Array.from({ length: many }, (_, n) => {
      const id = this.best(layer, token, n);
      const p = probability(this.a.top.data[this.at(layer, token) * many + n]!);
      const is = id === this.answer(token);
      return h('li', {}, h('code', {}, tokenWord(this.word(id))), bar(p, is), h('span', {}, percent(p)));
    });
    const title = h('b', {}, `after layer ${layer + 1}, token ${token + 1}`);
    const close = h(
      'button',
      { class: 'button plain', type: 'button', onclick: () => this.close() },
      'Close',
    );
    this.ten.replaceChildren(
      h('div', { class: 'row', style: 'margin:0' }, title, h('span', { class: 'right' }, close)),
      h('ol', {}, ...list),
    );
    this.ten.hidden = false;
  }

  private close(): void {
    this.ten.hidden = true;
  }

  /** The tokens that hold the words, or that say them in the end. */
  private hits(words: string): number[] {
    const wanted = words.trim().toLowerCase();
    if (!wanted) return [];
    return this.texts
      .map((_, n) => n)
      .filter(n => `${this.texts[n]} ${this.word(this.answer(n))}`.toLowerCase().includes(wanted));
  }

  private count(words: string): void {
    const many = this.hits(words).length;
    this.matches.textContent = words.trim() ? (many ? `${count(many)} found` : 'none') : '';
  }

  private find(words: string, by: number): void {
    const hits = this.hits(words);
    if (!hits.length) return;
    const next =
      by > 0
        ? (hits.find(n => n > this.token) ?? hits[0]!)
        : (hits.filter(n => n < this.token).at(-1) ?? hits.at(-1)!);
    this.go(this.layer, next);
    this.matches.textContent = `${hits.indexOf(next) + 1} of ${count(hits.length)}`;
  }
}
