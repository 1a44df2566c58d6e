/** Attention: every head as a small picture, one as a matrix and as arcs over the text. */

import type { Numbers } from '../../protocol/arrays.js';
import { arrayOf, type InspectionRecord, numbersOf, textsOf } from '../../protocol/inspection.js';
import { bold, footer, onKeys, select, stepAt } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { count, percent, plural, tokenWord } from '../../ui/format.js';
import { colorScale } from '../../ui/legend.js';
import { parseColor } from '../../ui/theme.js';
import { BaseInspectionView, type InspectionHost } from '../inspectionView.js';
import { STYLE } from './attentionView.css.js';
import { arcsOver, paintThumb } from './figures.js';

const EDGES = [5, 15, 30, 50, 75];
const NUMBERS_UP_TO = 64;
const HABITS = ['the first token', 'after an earlier copy', 'the token before', 'itself'];

export class AttentionView extends BaseInspectionView {
  private readonly sheet = h('div', {
    class: 'sheet',
    tabindex: 0,
    role: 'application',
    'aria-label': 'layers by heads: arrow keys choose one',
  });
  private readonly matrix = h('div', { class: 'matrix' });
  private readonly side = h('div');
  private readonly hide = h('input', { type: 'checkbox', checked: true });
  private readonly layers = select('layer', n => this.go(n, this.head, this.from));
  private readonly heads = select('head', n => this.go(this.layer, n, this.from));
  private readonly froms = select('from', n => this.go(this.layer, this.head, n));
  private texts: string[] = [];
  private storedLayers: number[] = [];
  private thumbs!: Numbers;
  private triangles!: Numbers;
  private habits!: Numbers;
  private layer = 0;
  private head = 0;
  private from = 0;

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.hide.addEventListener('change', () => this.draw());
    this.shell.root.append(
      h(
        'div',
        { class: 'row' },
        h('label', {}, 'layer ', this.layers.element),
        h('label', {}, 'head ', this.heads.element),
        h('label', {}, 'from ', this.froms.element),
        colorScale('weight, %', 'm', EDGES),
        h('label', { class: 'right switch' }, this.hide, 'Hide first token'),
      ),
      this.busy,
      this.sheet,
      h('div', { class: 'two' }, this.matrix, this.side),
      this.footer,
    );
    const keys = {
      ArrowLeft: () => this.go(this.layer - 1, this.head, this.from),
      ArrowRight: () => this.go(this.layer + 1, this.head, this.from),
      ArrowUp: () => this.go(this.layer, this.head - 1, this.from),
      ArrowDown: () => this.go(this.layer, this.head + 1, this.from),
      ',': () => this.go(this.layer, this.head, this.from - 1),
      '.': () => this.go(this.layer, this.head, this.from + 1),
    };
    onKeys(this.sheet, keys);
    this.update(record, host);
    this.shell.onColors(() => {
      this.paintSheet();
      if (this.has(this.layer)) this.drawMatrix();
    });
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    const first = !this.record;
    if (!this.setRecord(record, host)) return this.draw();
    this.texts = textsOf(record.head.texts);
    this.storedLayers = numbersOf(record.head.kept);
    this.thumbs = arrayOf(record, 'thumbs', 4);
    this.triangles = arrayOf(record, 'triangles', 3);
    this.habits = arrayOf(record, 'habits', 3);
    if (first || !this.has(this.layer)) {
      this.from = this.texts.length - 1;
      [this.layer, this.head] = this.telling();
    }
    this.buildSheet();
    this.go(this.layer, this.head, this.from);
  }

  private get layerCount(): number {
    return this.thumbs.shape[0]!;
  }

  private get headCount(): number {
    return this.thumbs.shape[1]!;
  }

  private has(layer: number): boolean {
    return this.storedLayers.includes(layer + 1);
  }

  /** The head that looks most at one token that is neither the first nor itself: it has something to show. */
  private telling(): [number, number] {
    let best: [number, number] = [Math.max((this.storedLayers.at(-1) ?? 1) - 1, 0), 0];
    let most = -1;
    for (const layer of this.storedLayers)
      for (let head = 0; head < this.headCount; head++)
        for (let at = 1; at < this.from; at++) {
          const weight = this.weight(layer - 1, head, this.from, at);
          if (weight > most) {
            most = weight;
            best = [layer - 1, head];
          }
        }
    return best;
  }

  /** Heads behind the last: mean, max, rollout. */
  private weight(layer: number, head: number, row: number, at: number): number {
    const index = this.storedLayers.indexOf(layer + 1);
    if (index < 0) return 0;
    const [, rows, size] = this.triangles.shape as [number, number, number];
    const place = (row * (row + 1)) / 2 + at;
    const of = (n: number) => this.triangles.data[(index * rows + n) * size + place]!;
    if (head < this.headCount) return of(head);
    if (head === this.headCount + 2) return of(rows - 1);
    let sum = 0;
    let most = 0;
    for (let n = 0; n < this.headCount; n++) {
      sum += of(n);
      most = Math.max(most, of(n));
    }
    return head === this.headCount ? sum / this.headCount : most;
  }

  /** The weights of a row as shown: without the first token the rest is renormalised. */
  private row(row: number): number[] {
    const all = Array.from({ length: row + 1 }, (_, at) => this.weight(this.layer, this.head, row, at));
    if (!this.hide.checked || row === 0) return all;
    const rest = all.reduce((sum, weight, at) => (at ? sum + weight : sum), 0);
    return all.map((weight, at) => (at === 0 || rest < 1e-6 ? 0 : weight / rest));
  }

  private go(layer: number, head: number, from: number): void {
    const wrap = (n: number, size: number) => Math.max(0, Math.min(size - 1, n));
    this.layer = wrap(layer, this.layerCount);
    this.head = wrap(head, this.headCount + 3);
    this.from = wrap(from, this.texts.length);
    const names = this.texts.map((text, n) => `${tokenWord(text)} ${n + 1}`);
    this.layers.set(
      Array.from({ length: this.layerCount }, (_, n) => String(n + 1)),
      this.layer,
    );
    const heads = Array.from({ length: this.headCount }, (_, n) => String(n + 1));
    this.heads.set([...heads, 'mean', 'max', 'rollout'], this.head);
    this.froms.set(names, this.from);
    for (const item of this.sheet.querySelectorAll<HTMLElement>('[data-layer],[data-head]')) {
      const { layer, head } = item.dataset;
      const both = layer !== undefined && head !== undefined;
      const on = both
        ? Number(layer) === this.layer && Number(head) === this.head
        : Number(layer ?? head) === (layer === undefined ? this.head : this.layer);
      item.classList.toggle('on', on);
    }
    this.draw();
  }

  private buildSheet(): void {
    const { layerCount, headCount } = this;
    const size = headCount > 16 || layerCount > 40 ? 16 : 23;
    this.sheet.style.gridTemplateColumns = `24px repeat(${layerCount},${size}px)`;
    this.sheet.replaceChildren(h('span', {}, ''));
    for (let layer = 0; layer < layerCount; layer++)
      this.sheet.append(
        h(
          'span',
          { 'data-layer': layer, style: 'min-width:0' },
          layer === 0 || (layer + 1) % 5 === 0 ? String(layer + 1) : '',
        ),
      );
    for (let head = 0; head < headCount; head++) {
      this.sheet.append(h('span', { 'data-head': head }, String(head + 1)));
      for (let layer = 0; layer < layerCount; layer++) {
        const name = `layer ${layer + 1}, head ${head + 1}`;
        const canvas = h('canvas', {
          'data-layer': layer,
          'data-head': head,
          title: name,
          role: 'img',
          'aria-label': name,
        });
        canvas.style.width = canvas.style.height = `${size}px`;
        canvas.addEventListener('click', () => {
          this.go(layer, head, this.from);
          this.sheet.focus();
        });
        this.sheet.append(canvas);
      }
    }
    this.paintSheet();
  }

  private paintSheet(): void {
    const ink = parseColor(rgbOf(this.shell.color('--llm-mass-solid'))) ?? [0, 0, 0];
    for (const canvas of this.sheet.querySelectorAll('canvas'))
      paintThumb(canvas, this.thumbs, Number(canvas.dataset.layer), Number(canvas.dataset.head), ink);
  }

  private draw(): void {
    if (!this.has(this.layer)) this.missing();
    else {
      this.drawMatrix();
      this.drawSide();
    }
    this.footer.replaceChildren(
      footer(
        [
          bold(count(this.layerCount * this.headCount), ' heads'),
          bold(count(this.texts.length), plural(this.texts.length, 'token')),
        ],
        [
          ['← →', 'layer'],
          ['↑ ↓', 'head'],
          [', .', 'token'],
        ],
        this.record.model,
      ),
    );
  }

  /** One layer at a time, where all would be too much. */
  private missing(): void {
    const ask = this.host.ask;
    const load = () => ask?.({ type: 'inspection.layer', layer: this.layer + 1 });
    const has =
      this.storedLayers.length > 3
        ? `${this.storedLayers.length} layers`
        : `layer ${this.storedLayers.join(', ')}`;
    if (numbersOf(this.record.head.no_attention).includes(this.layer + 1)) {
      const text = `Layer ${this.layer + 1} has a short convolution instead of attention.`;
      this.matrix.replaceChildren(h('p', { class: 'say' }, text));
      this.side.replaceChildren();
      return;
    }
    this.matrix.replaceChildren(
      h(
        'p',
        { class: 'say' },
        `This text is long: the record holds ${has} whole, and every head as a small picture.`,
      ),
      h(
        'button',
        { class: 'button main', type: 'button', disabled: !ask || !!this.host.busy, onclick: load },
        `Read layer ${this.layer + 1}`,
      ),
      ask ? '' : h('p', { class: 'needs' }, 'It needs a running kernel.'),
    );
    this.side.replaceChildren();
  }

  private drawMatrix(): void {
    const tokens = this.texts.length;
    const left = 96;
    const room = Math.max(260, Math.min(520, (this.matrix.clientWidth || 560) - left - 30));
    const cell = Math.max(1, Math.min(33, Math.floor(room / tokens)));
    const side = cell * tokens;
    const canvas = h('canvas', { role: 'img', 'aria-label': `where each token looks, ${this.title()}` });
    canvas.width = canvas.height = side;
    canvas.style.marginLeft = `${left}px`;
    const paint = canvas.getContext('2d');
    const colours = [this.shell.color('--llm-cell')];
    for (let step = 1; step <= 5; step++) colours.push(this.shell.color(`--llm-mass-${step}`));
    const few = tokens <= NUMBERS_UP_TO && cell >= 18;
    const gap = cell > 6 ? 2 : 0;
    const cells = h('div', { class: 'cells', style: `left:${left}px;top:${few ? 64 : 0}px` });
    for (let row = 0; row < tokens; row++) {
      for (const [at, weight] of this.row(row).entries()) {
        const step = stepAt(EDGES, 100 * weight);
        if (paint) {
          paint.fillStyle = colours[step]!;
          paint.fillRect(at * cell, row * cell, cell - gap, cell - gap);
        }
        if (few && weight >= 0.15)
          cells.append(
            h(
              'b',
              {
                style: `left:${at * cell}px;top:${row * cell}px;width:${cell - gap}px;height:${cell - gap}px`,
              },
              String(Math.round(100 * weight)),
            ),
          );
      }
    }
    canvas.addEventListener('click', event =>
      this.go(this.layer, this.head, Math.floor(event.offsetY / cell)),
    );
    canvas.addEventListener('pointermove', event => {
      const at = Math.floor(event.offsetX / cell);
      const row = Math.floor(event.offsetY / cell);
      const weight = at <= row && row < tokens ? this.row(row)[at] : undefined;
      canvas.title =
        weight === undefined
          ? ''
          : `${tokenWord(this.texts[row]!)} (${row + 1}) → ${tokenWord(this.texts[at]!)} (${at + 1}): ${percent(weight)}`;
    });
    const ring = h('div', {
      class: 'ring',
      style: `left:${left - 2}px;top:${(few ? 64 : 0) + this.from * cell - 2}px;width:${(this.from + 1) * cell + 2}px;height:${cell + 2}px`,
    });
    const parts: HTMLElement[] = [canvas, cells, ring];
    if (few) {
      const names = this.texts.map((text, n) =>
        h(
          'span',
          { class: n === this.from ? 'on' : '', style: `left:${left + n * cell + cell / 2}px` },
          tokenWord(text),
        ),
      );
      const rows = this.texts.map((text, n) =>
        h(
          'span',
          { class: n === this.from ? 'on' : '', style: `height:${cell}px;line-height:${cell - gap}px` },
          tokenWord(text),
        ),
      );
      parts.unshift(
        h('div', { class: 'names' }, ...names),
        h('div', { class: 'rows', style: `width:${left}px;top:64px` }, ...rows),
      );
    }
    if (!few) {
      // Names of some rows: so many that each can be read.
      const apart = Math.ceil(14 / cell);
      const rows = this.texts.map((text, n) =>
        n % apart && n !== this.from
          ? ''
          : h(
              'span',
              { class: n === this.from ? 'on' : '', style: `top:${n * cell + cell / 2}px` },
              tokenWord(text),
            ),
      );
      parts.unshift(h('div', { class: 'some', style: `width:${left - 6}px` }, ...rows.filter(Boolean)));
    }
    this.matrix.replaceChildren(...parts);
  }

  private title(): string {
    const extra = ['mean of the heads', 'largest of the heads', 'rollout up to it'];
    const head = this.head < this.headCount ? `head ${this.head + 1}` : extra[this.head - this.headCount];
    return `layer ${this.layer + 1}, ${head}`;
  }

  private drawSide(): void {
    const weights = this.row(this.from);
    const best = weights.indexOf(Math.max(...weights));
    const code = (n: number) => h('code', {}, tokenWord(this.texts[n] ?? ''));
    const title = this.title();
    this.side.replaceChildren(
      h('h3', {}, title[0]!.toUpperCase() + title.slice(1)),
      h(
        'p',
        { class: 'say', 'aria-live': 'polite' },
        'Token ',
        code(this.from),
        ` (${this.from + 1}) looks at `,
        h('b', {}, code(best)),
        ` (${best + 1}) most: ${percent(weights[best] ?? 0)}`,
      ),
      arcsOver(this.texts, weights, this.from, best, n => this.go(this.layer, this.head, n)),
      this.table(),
    );
    // The token that looks is at the right end.
    const arcs = this.side.querySelector('.arcs');
    if (arcs) arcs.scrollLeft = arcs.scrollWidth;
  }

  private table(): HTMLElement {
    if (this.head >= this.headCount)
      return h(
        'p',
        { class: 'needs' },
        this.head === this.headCount + 2
          ? 'Rollout follows the weights through all layers below; half of each step stays where it is.'
          : '',
      );
    const copies = Number(this.record.head.copies) || 0;
    const rows = HABITS.map((name, n) => {
      const value = this.habits.data[(this.layer * this.headCount + this.head) * HABITS.length + n]!;
      const more =
        n === 0 && this.hide.checked
          ? ' (hidden above)'
          : n === 1
            ? ` (${count(copies)} ${copies === 1 ? 'row' : 'rows'})`
            : '';
      return { name, more, value };
    }).sort((a, b) => (b.value || 0) - (a.value || 0));
    return h(
      'table',
      {},
      h('tr', {}, h('th', {}, 'this head, all rows'), h('th', {}, 'mean weight')),
      ...rows.map(({ name, more, value }) =>
        h('tr', {}, h('td', {}, name, h('span', { class: 'fg2' }, more)), h('td', {}, percent(value))),
      ),
    );
  }
}

/** "#1565c0" → "rgb(21, 101, 192)". */
function rgbOf(colour: string): string {
  const hex = /^#([0-9a-f]{6})$/i.exec(colour)?.[1];
  if (!hex) return colour;
  return `rgb(${[0, 2, 4].map(n => Number.parseInt(hex.slice(n, n + 2), 16)).join(', ')})`;
}
