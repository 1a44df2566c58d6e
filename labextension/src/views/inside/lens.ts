/** The logit lens: layers × tokens, what the model would say if it ended there. */

import { h, perFrame } from '../../dom.js';
import { bits, count, fixed, percent, plural, probability, tokenWord } from '../../format.js';
import { type Look, type LookHost, numbers, textsOf, wordsOf } from '../../inside.js';
import type { Numbers } from '../../packed.js';
import { svg } from '../../svg.js';
import { CHART, curveFigure, RankAxis, ROW } from './lensCurve.js';
import { barOf, bold, Choice, field, foot, onKeys, slider, stepAt, swatches } from './parts.js';
import { InsideView } from './view.js';

const COLUMN = 52;
const LABELS = 62;
const HEAD = 36;
const SAYS = 24;
const SHOWN = 32; // rows at most: 512 px of a deep model
const DEEP = 24; // layers
const LOW_ROW = 16; // px
const PROBABILITY = [0.1, 1, 10, 50, 90];
const RANK = [2, 3, 6, 21, 101];
const ENTROPY = [1, 2, 3, 5, 7];

const STYLE = `
.grid{position:relative;overflow:auto;max-height:calc(${HEAD + SAYS + 4}px + ${SHOWN} * var(--row));font:12px/20px var(--llm-code);border-bottom:1px solid var(--llm-line2)}
.plane{position:relative;overflow:clip}
.top,.says{position:sticky;z-index:3;background:var(--llm-bg);height:${HEAD}px;top:0;border-bottom:1px solid var(--llm-line2)}
.says{top:auto;bottom:0;height:${SAYS}px;border:0;border-top:1px solid var(--llm-line2);font-weight:600;line-height:${SAYS - 2}px}
.top>span,.says>span{position:absolute;width:${COLUMN - 2}px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.top>span{bottom:0;line-height:16px;white-space:pre-line;color:var(--llm-fg2);cursor:pointer}
.top>span small{display:block;font-size:10.5px}.top .on{color:var(--llm-accent);font-weight:600;box-shadow:inset 0 -2px var(--llm-accent)}
.says>span{top:0}.says .on{color:var(--llm-accent)}
.top .corner,.says .corner,.labels{position:sticky;left:0;width:${LABELS}px;background:var(--llm-bg);z-index:2;color:var(--llm-fg2);font:11px var(--llm-ui)}
.top .corner,.says .corner{display:block;height:100%;font-weight:400}.top .corner{line-height:${2 * HEAD - 22}px}.says .corner{line-height:${SAYS - 2}px}
.body{position:relative}.labels{height:100%;top:0;padding-left:14px}
.labels canvas{position:absolute;left:0;top:0;width:10px;cursor:pointer}
.labels span{display:block;height:var(--row);line-height:var(--row);text-align:right;padding-right:10px}
.labels .on{color:var(--llm-accent);font-weight:600}
.col{position:absolute;top:0;width:${COLUMN - 2}px}
.col div{height:calc(var(--row) - 2px);line-height:calc(var(--row) - 2px);margin-bottom:2px;padding:0 3px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;cursor:pointer;color:var(--llm-fg2);outline-offset:-1px}
.col :is(.m1,.m2,.m3,.m4,.m5,.h1,.h2,.h3,.h4,.h5){color:var(--llm-on)}
.col .same{font-weight:700}.col .here{outline:2px solid var(--llm-accent)}
.line{position:absolute;left:0;right:0;height:var(--row);margin-top:-1px;border:1px solid var(--llm-accent);border-width:1px 0;background:color-mix(in srgb,var(--llm-accent) 6%,transparent);pointer-events:none;z-index:1}
.curve{position:sticky;right:0;float:right;width:${CHART}px;background:var(--llm-bg);z-index:2}
.top .curve .of{position:absolute;bottom:2px;white-space:nowrap;color:var(--llm-fg2);font:11px var(--llm-ui)}.curve svg{display:block;font:10.5px var(--llm-ui)}.curve text{fill:var(--llm-fg2)}.curve polyline{fill:none;stroke:var(--llm-mass-solid);stroke-width:2}
.curve circle{fill:var(--llm-mass-solid)}.curve line{stroke:var(--llm-line)}.curve .now{fill:var(--llm-fg);font-weight:600;font-size:11px}
.curve .marked{fill:color-mix(in srgb,var(--llm-accent) 6%,transparent);stroke:var(--llm-accent)}.curve .w1{stroke:var(--llm-fg2);stroke-dasharray:4 3}.curve .w2{stroke:var(--llm-heat-solid);stroke-dasharray:2 3}
.above{display:flex;flex-wrap:wrap;gap:8px 24px;align-items:center;margin:0 0 8px;min-height:36px}.hold{position:relative}.matches{color:var(--llm-fg2);align-self:center}
.ten{position:absolute;z-index:5;right:20px;top:${HEAD + 4}px;border-radius:6px;background:var(--llm-surface);color:var(--own-fg);padding:8px 12px;width:min(460px,90%);box-shadow:var(--llm-shadow),0 0 0 1px var(--own-line)}
.ten ol{list-style:none;margin:6px 0 0;padding:0;columns:2;column-gap:24px}.ten li{display:grid;grid-template-columns:88px 1fr 56px;gap:8px;align-items:center;height:19px}
.ten li code{font:11px var(--llm-code);overflow:hidden;text-overflow:ellipsis;white-space:nowrap}.ten li span:last-child{text-align:right}
@container (max-width:640px){.curve{display:none}.ten ol{columns:1}}
@media print{.grid{max-height:none;overflow:visible}}`;

const MODES = ['Probability', 'Rank', 'Entropy'] as const;

export class LensView extends InsideView {
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

  constructor(look: Look, element: HTMLElement, host: LookHost) {
    super(element, STYLE);
    this.modes = new Choice('colour', MODES, n => this.setMode(n));
    this.read(look);
    this.layer = this.layers - 1;
    this.token = this.texts.length - 1;
    this.slide = slider('Layer', { min: 1, max: this.layers, step: 1 }, value =>
      this.go(value - 1, this.token),
    );
    this.body.append(this.labels, this.line);
    this.plane.append(this.top, this.body, this.says);
    this.grid.append(this.plane);
    const find = field('search', 'Find a token', 'Find a token', event =>
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
    this.update(look, host);
    const answer = () => {
      this.grid.scrollTop = this.grid.scrollHeight;
      this.grid.scrollLeft = this.grid.scrollWidth;
      this.fill();
    };
    requestAnimationFrame(answer);
    let reopened = !this.grid.isConnected;
    this.shell.onColours(() => {
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

  update(look: Look, host: LookHost): void {
    if (!this.take(look, host)) return;
    this.read(look);
    this.layer = Math.min(this.layer, this.layers - 1);
    this.token = Math.min(this.token, this.texts.length - 1);
    this.frameUp();
    this.setMode(this.mode);
  }

  override dispose(): void {
    this.frame.cancel();
    super.dispose();
  }

  private read(look: Look): void {
    this.texts = textsOf(look.head.texts);
    this.word = wordsOf(look.head.words);
    this.a = {
      ids: numbers(look, 'top_ids', 3),
      top: numbers(look, 'top_logprobs', 3),
      p: numbers(look, 'logprob', 2),
      rank: numbers(look, 'rank', 2),
      entropy: numbers(look, 'entropy', 2),
      kl: numbers(look, 'kl', 2),
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

  private footer(): void {
    for (const old of this.shell.root.querySelectorAll('.foot')) old.remove();
    const leads = this.leadsFrom(this.token);
    this.shell.root.append(
      foot(
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
        this.look.model,
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
      const said = tokenWord(this.word(this.answer(token)));
      this.says.append(h('span', { class: on, style: left, title: said }, said));
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
      cell.addEventListener('pointerenter', () => this.tell(layer, token));
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
        ? swatches('of the final answer, %', 'm', PROBABILITY)
        : mode === 1
          ? swatches('rank of the final answer', 'h', RANK)
          : swatches('entropy, bits', 'h', ENTROPY);
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
    this.tell(this.layer, this.token);
    this.drawCurve();
    this.footer();
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

  private tell(layer: number, token: number): void {
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
    const said = `rank ${count(ranks[this.layer]!)} · ${percent(p)}`;
    this.curve.replaceChildren(
      curveFigure(ranks, this.watched(), this.layer, said, name, this.axis, this.row),
    );
    const watch = this.watchNames().map((text, n) => `${n ? ',' : ' ·'} ${n ? '┈' : '╌'} ${tokenWord(text)}`);
    const words = h('span', { class: 'of' }, 'rank of ', h('b', {}, name), ' by layer', ...watch);
    this.top.querySelector('.curve')?.replaceChildren(words);
  }

  private watchNames(): string[] {
    const given = this.look.head.watch;
    return (Array.isArray(given) ? given : []).slice(0, 2).map(each => String(each?.text ?? ''));
  }

  /** The ranks of watched tokens at this place, by layer. */
  private watched(): number[][] {
    const kept = this.look.arrays.get('watch_rank');
    if (kept?.shape.length !== 3) return [];
    const size = this.layers * this.texts.length;
    const layers = Array.from({ length: this.layers }, (_, layer) => layer);
    return this.watchNames().map((_, n) =>
      layers.map(layer => kept.data[n * size + this.at(layer, this.token)]! + 1),
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
        paint.fillStyle = this.shell.colour(`--llm-${name![0] === 'm' ? 'mass' : 'heat'}-${step}`);
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
      return h('li', {}, h('code', {}, tokenWord(this.word(id))), barOf(p, is), h('span', {}, percent(p)));
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

export function ordinal(value: number): string {
  const tens = value % 100;
  const end = tens > 10 && tens < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][value % 10] ?? 'th');
  return `${count(value)}${end}`;
}
