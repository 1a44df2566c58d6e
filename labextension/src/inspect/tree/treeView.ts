/** What else it could have said: samples laid over each other, as bands that part where they do. */

import { RecordError } from '../../protocol/checks.js';
import { arrayOf, type InspectionRecord, textsOf, wordsOf } from '../../protocol/inspection.js';
import {
  bar,
  bold,
  footer,
  needsKernel,
  onKeys,
  RadioGroup,
  type Slider,
  slider,
  stepAt,
  textInput,
} from '../../ui/controls.js';
import { h, icon } from '../../ui/dom.js';
import { bits, count, fixed, percent, probability, tokenWord, visible } from '../../ui/format.js';
import { svg } from '../../ui/svg.js';
import { BaseInspectionView, type InspectionHost } from '../inspectionView.js';
import { alike, folded, grow, type Node, type Sample } from './layout.js';
import { STYLE } from './treeView.css.js';

const EDGES = [1, 2, 3, 5, 8];
const GAP = 7;
const LETTER = 7.2;
const ARM = 56; // from a fork to the label behind it

const MOST_SAMPLES = 1024; // inspection/tree.py makes 512

interface Placed {
  node: Node;
  x: number;
  y: number;
  height: number;
}

export class TreeView extends BaseInspectionView {
  private readonly modes = new RadioGroup('bands', ['Samples', 'Probability'], n => this.setMode(n));
  private readonly fold: Slider;
  private readonly treeElement = h('div', {
    class: 'wood',
    tabindex: 0,
    role: 'tree',
    'aria-label': 'samples',
  });
  private readonly left = h('div');
  private readonly fork = h('div', { class: 'fork' });
  private readonly more = h('button', { class: 'button', type: 'button' });
  private readonly find = textInput('search', 'Find in samples', 'Find in samples');
  private readonly unfolded = new Set<string>();
  private samples: Sample[] = [];
  private word = (id: number) => `#${id}`;
  private mode = 0;
  private least = 2;
  private chosen = 0;
  private at = 0;
  private order: Sample[] = [];

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.fold = slider('fold below', { min: 1, max: 8, step: 1 }, value => {
      this.least = value;
      this.draw();
    });
    this.more.addEventListener('click', () =>
      this.host.ask?.({ type: 'inspection.extend', samples: Math.max(this.samples.length, 1) }),
    );
    this.find.addEventListener('input', () => this.draw());
    this.shell.root.append(
      h(
        'div',
        { class: 'row' },
        this.modes.element,
        this.fold.element,
        this.more,
        this.busy, // in the row: the picture below does not move
        h('span', { class: 'right' }, this.find),
      ),
      this.treeElement,
      h('div', { class: 'below' }, this.left, this.fork),
      this.footer,
    );
    onKeys(this.treeElement, {
      ArrowDown: () => this.step(1),
      ArrowUp: () => this.step(-1),
      ArrowRight: () => this.nextFork(1),
      ArrowLeft: () => this.nextFork(-1),
      Enter: () => this.unfold(),
    });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    const other = this.setRecord(record, host);
    needsKernel(this.more, host);
    if (!other) return;
    this.word = wordsOf(record.head.words);
    const ids = arrayOf(record, 'token', 1).data;
    for (const name of ['other_ids', 'other_logprobs']) arrayOf(record, name, 2);
    let begin = 0;
    if (Array.isArray(record.head.samples) && record.head.samples.length > MOST_SAMPLES)
      throw new RecordError(
        `This tree has ${count(record.head.samples.length)} samples; ${count(MOST_SAMPLES)} are shown at most.`,
      );
    this.samples = (Array.isArray(record.head.samples) ? record.head.samples : []).map((item, n) => {
      const texts = textsOf(item?.texts);
      const sample = {
        n,
        texts,
        ids: [...ids.subarray(begin, begin + texts.length)],
        begin,
        seed: Number(item?.seed) || 0,
        end: String(item?.end ?? ''),
      };
      begin += texts.length;
      return sample;
    });
    this.more.replaceChildren(icon('plus'), `${this.samples.length} more`);
    this.setMode(this.mode);
  }

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    this.draw();
  }

  private logprob(sample: Sample, place: number): number {
    return this.record.arrays.get('logprob')!.data[sample.begin + place]!;
  }

  // --- the tree

  private get unit(): number {
    return this.samples.length > 40 ? Math.max(2, 520 / this.samples.length) : 13;
  }

  private thick(node: Node, share: number): number {
    return this.mode ? Math.max(share * this.samples.length * this.unit, 3) : node.samples.length * this.unit;
  }

  private draw(): void {
    this.fold.set(this.least);
    const most = (this.treeElement.clientWidth || 1100) - 8;
    const roots = grow(this.samples, 0, '', (sample, place) => this.logprob(sample, place));
    const picture = svg('svg', {});
    const labels = svg('g');
    const selectedPath = svg('g');
    this.order = [];
    let bottom = 6;
    const total = this.samples.length * this.unit;
    const query = this.find.value.trim().toLowerCase();

    /** Puts the children of a band; gives the height that they take. */
    const place = (
      nodes: Node[],
      x: number,
      top: number,
      path: string,
      share: number,
    ): { placed: Placed[]; height: number } => {
      let y = top;
      const placed: Placed[] = [];
      for (const node of folded(nodes, path, this.least, this.unfolded)) {
        const own = share * node.p;
        const thick = this.thick(node, own);
        const arm = x + ARM;
        if (node.children.length) {
          const wide = Math.max(node.text.length * LETTER + 14, 40);
          const inner = place(node.children, arm + wide, y, node.key, own * this.along(node));
          const height = Math.max(inner.height, thick);
          const at = y + (height - thick) / 2;
          this.band(picture, labels, node, arm, at, thick, wide);
          this.arms(picture, selectedPath, inner.placed, arm + wide, at);
          if (node.samples.some(sample => sample.n === this.chosen))
            this.strandOf(selectedPath, arm, at, wide, thick);
          placed.push({ node, x: arm, y: at, height: thick });
          y += height + GAP;
        } else {
          const height = Math.max(thick, node.folded ? 22 : 13);
          const wide = node.folded ? 98 : Math.max(most - arm - 8, 120);
          this.band(picture, labels, node, arm, y, height, wide, query);
          if (!node.folded) this.order.push(node.samples[0]!);
          if (!node.folded && node.samples.some(sample => sample.n === this.chosen))
            this.strandOf(selectedPath, arm, y, wide, height);
          placed.push({ node, x: arm, y, height });
          y += height + GAP;
        }
      }
      return { placed, height: Math.max(y - top - GAP, 0) };
    };
    const layout = place(roots, 20, 6, '', 1);
    const at = 6 + Math.max(0, (layout.height - total) / 2);
    picture.append(svg('rect', { class: 'band thin', x: 0, y: at, width: 20, height: total }));
    this.arms(picture, selectedPath, layout.placed, 20, at);
    bottom = Math.max(layout.height, total) + 16;
    const name = svg(
      'text',
      { class: 'p', transform: `translate(14,${at + total / 2}) rotate(-90)`, 'text-anchor': 'middle' },
      `${count(this.samples.length)} samples`,
    );
    picture.append(selectedPath, labels, name);
    picture.setAttribute('width', String(most));
    picture.setAttribute('height', String(bottom));
    this.treeElement.replaceChildren(picture);
    this.drawSample();
    this.drawFoot(roots);
  }

  /** How likely the rest of a stretch is behind its first token. */
  private along(node: Node): number {
    let sum = 0;
    for (let place = node.depth + 1; place < node.depth + node.length; place++)
      sum += this.logprob(node.samples[0]!, place);
    return Math.exp(sum);
  }

  private band(
    picture: SVGSVGElement,
    labels: SVGGElement,
    node: Node,
    x: number,
    y: number,
    height: number,
    wide: number,
    query = '',
  ): void {
    const single = node.samples.length === 1 || !!node.folded;
    const name = node.folded ? 'fold' : single ? 'band thin' : 'band';
    const rect = svg('rect', { class: name, x, y, width: wide, height, role: 'treeitem' });
    rect.append(
      svg(
        'title',
        {},
        node.folded
          ? `${node.folded.length} others`
          : `${node.text}\n${percent(node.p)} · ${count(node.samples.length)} of ${count(this.samples.length)} samples`,
      ),
    );
    rect.addEventListener('click', () => {
      if (node.folded) {
        this.unfolded.add(node.key);
        this.draw();
      } else this.pick(node.samples.find(sample => sample.n === this.chosen) ?? node.samples[0]!, node.depth);
    });
    picture.append(rect);
    const middle = y + height / 2 + 4;
    labels.append(svg('text', { class: 'p', x: x - 6, y: middle, 'text-anchor': 'end' }, percent(node.p)));
    if (node.folded) {
      labels.append(svg('text', { x: x + 8, y: middle, class: 'rest' }, `▸ +${node.folded.length} others`));
      const firsts = node.folded.map(item => tokenWord(item.samples[0]!.texts[item.depth] ?? '')).join('  ');
      labels.append(svg('text', { x: x + wide + 10, y: middle, class: 'rest' }, firsts.slice(0, 90)));
      return;
    }
    const room = Math.max(2, Math.floor((wide - 12) / LETTER));
    const text = tokenText(node.text);
    const same = node.samples.length > 1 && !node.children.length ? `×${node.samples.length} ` : '';
    const hit = query && node.text.toLowerCase().includes(query) ? ' hit' : '';
    const on = node.samples.some(sample => sample.n === this.chosen) ? 'on' : single ? 'leaf' : '';
    labels.append(
      svg(
        'text',
        { x: x + 6, y: middle, class: `${on}${hit}` },
        same + (text.length > room ? `${text.slice(0, room - 1)}…` : text),
      ),
    );
  }

  /** From a band's right edge to each of its children, in their order. */
  private arms(picture: SVGSVGElement, strand: SVGGElement, placed: Placed[], x: number, top: number): void {
    let from = top;
    const chosen = this.samples[this.chosen];
    for (const { node, x: to, y, height } of placed) {
      const own = this.mode ? height : node.samples.length * this.unit;
      const name = node.folded ? 'fold' : node.samples.length === 1 ? 'band thin' : 'band';
      const curve = (a: number, b: number, tall: number, at: number) => {
        const middle = (x + to) / 2;
        return `M${x},${a} C${middle},${a} ${middle},${b} ${to},${b} L${to},${b + tall} C${middle},${b + tall} ${middle},${a + at} ${x},${a + at} Z`;
      };
      picture.append(svg('path', { class: name, d: curve(from, y, height, own) }));
      if (chosen && !node.folded && node.samples.includes(chosen)) {
        const thin = Math.min(this.unit, height);
        strand.append(
          svg('path', {
            class: 'strand',
            d: curve(from + (own - thin) / 2, y + (height - thin) / 2, thin, thin),
          }),
        );
      }
      from += own;
    }
  }

  /** The chosen sample's way through a band: along its middle. */
  private strandOf(strand: SVGGElement, x: number, y: number, wide: number, height: number): void {
    const tall = Math.min(this.unit, height);
    strand.append(svg('rect', { class: 'strand', x, y: y + (height - tall) / 2, width: wide, height: tall }));
  }

  // --- the sample that is read

  private pick(sample: Sample, place: number): void {
    this.chosen = sample.n;
    this.at = place;
    this.draw();
  }

  private step(by: number): void {
    const { order } = this;
    if (!order.length) return;
    const now = order.findIndex(sample => sample.n === this.chosen);
    this.pick(order[(now + by + order.length) % order.length]!, this.at);
  }

  /** The places where others went another way. */
  private forks(sample: Sample): number[] {
    return sample.ids
      .map((_, n) => n)
      .filter(n => {
        const similar = this.samples.filter(other => alike(other, sample, n));
        return new Set(similar.map(other => other.ids[n])).size > 1;
      });
  }

  private nextFork(by: number): void {
    const sample = this.samples[this.chosen];
    if (!sample) return;
    const forks = this.forks(sample);
    const next = by > 0 ? forks.find(n => n > this.at) : forks.filter(n => n < this.at).at(-1);
    if (next !== undefined) this.pick(sample, next);
  }

  private unfold(): void {
    this.treeElement.querySelector('rect.fold')?.dispatchEvent(new MouseEvent('click'));
  }

  private drawSample(): void {
    const sample = this.samples[this.chosen];
    if (!sample) return this.left.replaceChildren('There are no samples.');
    this.at = Math.min(this.at, Math.max(sample.ids.length - 1, 0));
    const sum = sample.ids.reduce((all, _, n) => all + this.logprob(sample, n), 0);
    const ended = sample.end === 'stop';
    const spans = sample.texts.map((text, n) => {
      const last = ended && n === sample.texts.length - 1;
      const lead = !last && /^ (?=.)/s.exec(text)?.[0];
      const names = `h${stepAt(EDGES, bits(-this.logprob(sample, n)))}${n === this.at ? ' at' : ''}${last ? ' end' : ''}`;
      const span = h(
        'span',
        { class: names, 'data-n': n, onclick: () => this.pick(sample, n) },
        visible(last ? 'end' : text.slice(lead ? 1 : 0)),
      );
      return lead ? [' ', span] : [span];
    });
    const before = textsOf(this.record.head.texts).join('').slice(-400);
    this.left.replaceChildren(
      h(
        'div',
        { class: 'fg2' },
        h('b', { style: 'color:var(--llm-accent)' }, `sample ${sample.n + 1}`),
        ` ${count(sample.ids.length)} tokens · ${fixed(bits(-sum), 1)} bits · perplexity ${fixed(Math.exp(-sum / Math.max(sample.ids.length, 1)), 1)} · seed ${sample.seed}`,
      ),
      h(
        'div',
        { class: 'told' },
        h('span', { class: 'before' }, visible(before)),
        ...spans.flat(),
        ended ? '' : h('span', { class: 'before' }, ' …'),
      ),
    );
    this.drawFork(sample);
  }

  /** What the model held there, next to what the samples did. */
  private drawFork(sample: Sample): void {
    const others = this.record.arrays.get('other_ids')!;
    const ps = this.record.arrays.get('other_logprobs')!;
    const many = others.shape[1]!;
    const row = sample.begin + this.at;
    const here = this.samples.filter(
      other => alike(other, sample, this.at) && other.ids[this.at] !== undefined,
    );
    const known = new Map<number, number>();
    for (let k = 0; k < many; k++) known.set(others.data[row * many + k]!, ps.data[row * many + k]!);
    for (const other of here) known.set(other.ids[this.at]!, this.logprob(other, this.at));
    const list = [...known].sort((a, b) => b[1] - a[1]).slice(0, 8);
    const before = sample.texts[this.at - 1] ?? textsOf(this.record.head.texts).at(-1) ?? '';
    const rows = list.map(([id, logprob]) => {
      const is = id === sample.ids[this.at];
      const times = here.filter(other => other.ids[this.at] === id).length;
      return h(
        'div',
        { class: is ? 'on' : '' },
        is ? h('i', { class: 'dot' }) : h('i'),
        h('code', {}, tokenWord(this.word(id))),
        bar(probability(logprob), is),
        h('span', { class: 'n' }, percent(probability(logprob))),
        h('span', { class: 'n' }, count(times)),
      );
    });
    this.fork.replaceChildren(
      h(
        'p',
        { class: 'fg2', style: 'margin:0 0 4px' },
        'after ',
        h('code', {}, tokenWord(before)),
        ` · the model, and the ${count(here.length)} samples`,
      ),
      ...rows,
    );
  }

  private drawFoot(roots: Node[]): void {
    const different = new Set(this.samples.map(sample => sample.texts.join(''))).size;
    const sample = this.samples[0];
    const entropy = sample ? this.record.arrays.get('entropy')?.data[sample.begin] : undefined;
    const options = (this.record.head.options ?? {}) as Record<string, unknown>;
    const first = this.samples[0]?.seed ?? 0;
    const all = different === this.samples.length ? 'all different' : `${count(different)} different`;
    this.footer.replaceChildren(
      footer(
        [
          bold(count(this.samples.length), ` samples, ${all}`),
          bold(count(roots.length), ' first tokens'),
          ...(entropy === undefined ? [] : [bold(fixed(bits(entropy), 2), ' bits', 'entropy ')]),
          `seeds ${first}–${first + this.samples.length - 1}, temperature ${Number(options.temperature ?? 1)}`,
        ],
        [
          ['↑ ↓', 'sample'],
          ['← →', 'fork'],
          ['⏎', 'unfold'],
        ],
        this.record.model,
      ),
    );
  }
}

function tokenText(text: string): string {
  return visible(text.replace(/\n/g, '⏎').replace(/\t/g, '⇥')).replace(/^ /, '␣');
}
