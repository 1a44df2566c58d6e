/** The stations of a walk: a figure each, of the numbers of one token. */

import { numbersOf } from '../../protocol/inspection.js';
import { type Slider, slider } from '../../ui/controls.js';
import { h, icon } from '../../ui/dom.js';
import { count, fixed, ordinal, percent, probability, tokenWord, visible } from '../../ui/format.js';
import { points, svg } from '../../ui/svg.js';
import type { Decided, Rules } from '../replay/sampler.js';
import {
  arcsFigure,
  diceFigure,
  gatesFigure,
  layersFigure,
  piecesFigure,
  scoresFigure,
  shares,
  signed,
  vectorsFigure,
  wrap,
} from './figures.js';
import type { WalkState } from './state.js';

export class StepFigures {
  constructor(
    private readonly way: WalkState,
    private readonly root: HTMLElement,
    /** Something was chosen in a figure: all is drawn anew. */
    private readonly change: () => void,
  ) {}

  answerLine(): HTMLElement {
    const before = this.way.all
      .slice(0, this.way.last + 1)
      .map(item => item.text)
      .join('')
      .slice(-400);
    const now = this.way.decided();
    const id = now.order[now.chosen]?.id ?? this.way.own.id;
    return h(
      'div',
      { class: 'said' },
      visible(before),
      h('mark', {}, visible(id === this.way.own.id ? this.way.own.text : this.way.word(id))),
      h('i'),
    );
  }

  figure(n: number, small = false): HTMLElement[] {
    const decision = this.way.decided();
    switch (n) {
      case 0:
        return piecesFigure(
          this.way.all.slice(0, this.way.last + 1).slice(-60),
          Math.min(this.way.last, 59),
          this.way.vocab,
        ).slice(0, small ? 1 : 3);
      case 1:
        return this.vectors(small);
      case 2:
        return this.attention(small);
      case 3:
        return this.lens(small);
      case 4:
        return this.scores(small);
      case 5:
        return [
          gatesFigure(decision, this.way.rules, this.way.vocab, this.way.word, this.way.own.id),
          ...(small ? [] : [this.sliders()]),
        ];
      default:
        return this.dice(decision, small);
    }
  }

  vectors(small: boolean): HTMLElement[] {
    const { data, shape } = this.way.record.arrays.get('vectors')!;
    const columns = shape[1]!;
    const places = numbersOf(this.way.record.head.places);
    const same = this.way.all[this.way.last]?.id;
    const rows = places
      .map((place, row) => ({ place, row }))
      .filter(item => item.place <= this.way.last)
      .slice(small ? -2 : -6)
      .map(({ place, row }) => ({
        name: tokenWord(this.way.all[place]?.text ?? ''),
        id: this.way.all[place]?.id ?? 0,
        values: [...data.subarray(row * columns, (row + 1) * columns)],
        on: this.way.all[place]?.id === same,
      }));
    const first = numbersOf(this.way.record.head.numbers)
      .map(value => signed(value, 3))
      .join(' ');
    const figure = vectorsFigure(rows, small ? [] : [...this.way.row('alike')]);
    return this.way.token === 0 ? [...figure, h('code', { class: 'fg2' }, `${first} …`)] : figure;
  }

  attention(small: boolean): HTMLElement[] {
    const [layer, head] = this.way.head;
    const texts = this.way.all.slice(0, this.way.last + 1).map(item => item.text);
    const arcs = wrap(arcsFigure(texts, this.way.attentionWeights(layer, head), this.way.last));
    if (small) return [arcs];
    const adds = this.way.row('adds');
    const pick = (l: number, hd: number) => {
      this.way.head = [l, hd];
      this.change();
    };
    const sums = Array.from({ length: this.way.layers }, (_, l) =>
      adds.subarray(l * this.way.heads, (l + 1) * this.way.heads).reduce((a, b) => a + b, 0),
    );
    const rows = Array.from({ length: this.way.heads }, (_, n) => {
      const weights = this.way.attentionWeights(layer, n);
      const rest = weights[0] ?? 0;
      const at = weights.indexOf(Math.max(...weights.slice(1), 0));
      const value = weights[Math.max(at, 0)] ?? 0;
      return h(
        'div',
        { class: n === head ? 'on' : '', onclick: () => pick(layer, n) },
        h('span', { class: 'fg2' }, String(n + 1)),
        h('code', {}, tokenWord(texts[at] ?? '')),
        h(
          'span',
          { class: 'pair' },
          h('i', { style: `width:${100 * value}%` }),
          h('i', { style: `width:${Math.max(0, 100 * (1 - value - rest))}%;background:var(--llm-track)` }),
          h('i', { class: 'hatched', style: `width:${100 * rest}%;background-color:transparent` }),
        ),
        h('span', { class: 'n' }, percent(value)),
        h('span', { class: 'n' }, signed(adds[layer * this.way.heads + n]!, 2)),
      );
    });
    const total = adds.reduce((a, b) => a + b, 0);
    const best = (l: number): [number, number] => {
      const part = [...adds.subarray(l * this.way.heads, (l + 1) * this.way.heads)];
      return [l, part.indexOf(Math.max(...part))];
    };
    return [
      h(
        'div',
        { class: 'two' },
        h(
          'div',
          {},
          h(
            'p',
            { class: 'fg2', style: 'margin:0' },
            `layer ${layer + 1}, head ${head + 1}, from `,
            h('code', {}, tokenWord(texts[this.way.last] ?? '')),
          ),
          arcs,
        ),
        h(
          'div',
          { class: 'list heads', style: 'max-height:250px;overflow:auto' },
          h('p', {}, 'head looks at most, and adds'),
          ...rows,
        ),
      ),
      h(
        'p',
        { class: 'fg2', style: 'margin:8px 0 0' },
        'what the heads of each layer add to the score of ',
        h('code', {}, tokenWord(this.way.own.text)),
        ', directly',
      ),
      wrap(layersFigure(sums, layer, l => pick(...best(l)))),
      h(
        'p',
        { class: 'fg2' },
        `Grey: the first token, on which heads rest that look for nothing. All heads together add ${signed(total, 2)}, this one alone ${signed(adds[layer * this.way.heads + head]!, 2)}.`,
      ),
    ];
  }

  lens(small: boolean): HTMLElement[] {
    const rank = this.way.row('lens_rank');
    const many = this.way.record.arrays.get('lens_ids')!.shape[2]!;
    const ids = this.way.row('lens_ids');
    const logprobs = this.way.row('lens_logprobs');
    const count4 = this.way.layers;
    const shown = [
      ...new Set([0, Math.round((count4 - 1) / 3), Math.round((2 * (count4 - 1)) / 3), count4 - 1]),
    ];
    const cards = shown.map(layer => {
      const list = Array.from({ length: small ? 1 : many }, (_, n) => ({
        text: this.way.word(ids[layer * many + n]!),
        p: probability(logprobs[layer * many + n]!),
        on: ids[layer * many + n] === this.way.own.id,
      }));
      return shares(
        `after layer ${layer + 1}`,
        list,
        `${tokenWord(this.way.own.text)} is ${ordinal(rank[layer]! + 1)}`,
      );
    });
    const wide = 1000;
    const most = Math.log(Math.max(...rank, 9) + 1);
    const x = (n: number) => 10 + (n / Math.max(rank.length - 1, 1)) * (wide - 40);
    const y = (n: number) => 14 + (Math.log(rank[n]! + 1) / most) * 44;
    const all = [...rank].map((_, n) => n);
    const picture = svg('svg', {
      class: 'fig',
      viewBox: `0 0 ${wide} 76`,
      role: 'img',
      'aria-label': `rank by layer: ${all.map(n => rank[n]! + 1).join(', ')}`,
    });
    picture.append(
      svg('polyline', { class: 'rank', points: points(all.map(x), all.map(y)) }),
      svg('text', { x: 10, y: 74 }, `rank of ${tokenWord(this.way.own.text)} by layer, log scale`),
    );
    for (const n of shown)
      picture.append(
        svg('circle', { class: 'rdot', cx: x(n), cy: y(n), r: 4 }),
        svg(
          'text',
          { class: 'dark', x: x(n), y: y(n) - 8, 'text-anchor': n ? 'end' : 'start' },
          ordinal(rank[n]! + 1),
        ),
      );
    return [h('div', { class: 'four' }, ...cards), wrap(picture)];
  }

  scores(small: boolean): HTMLElement[] {
    const ids = this.way.row('cand_ids');
    const logprobs = this.way.row('logprobs');
    const total = this.way.data('log_total')[this.way.token]!;
    const order = [...ids.keys()].sort((a, b) => logprobs[b]! - logprobs[a]!);
    const list = order.slice(0, 6).map(n => ({
      text: this.way.word(ids[n]!),
      p: probability(logprobs[n]!),
      on: ids[n] === this.way.own.id,
      score: logprobs[n]! + total,
    }));
    const table = shares('token, score, share', list);
    if (small)
      return [
        table,
        h(
          'p',
          { class: 'fg2' },
          `the last vector against each of the ${count(this.way.vocab)} rows; scores become shares of 100 %`,
        ),
      ];
    const [low, high] = this.way.row('bounds') as unknown as [number, number];
    const figure = wrap(
      scoresFigure(
        [...this.way.row('scores')],
        low,
        high,
        tokenWord(this.way.own.text).replace(/^␣/, ''),
        this.way.score(),
      ),
    );
    return [
      h(
        'div',
        { class: 'two' },
        h(
          'div',
          {},
          h('p', { class: 'fg2', style: 'margin:0' }, 'all scores, tokens per bin, log axis'),
          figure,
        ),
        table,
      ),
    ];
  }

  sliders(): HTMLElement {
    const make = (
      name: keyof Rules,
      label: string,
      range: { min: number; max: number; step: number },
    ): Slider => {
      const slide = slider(label, range, value => {
        this.way.rules = { ...this.way.rules, [name]: value };
        this.change();
        this.root.querySelector<HTMLInputElement>(`input[aria-label="${label}"]`)?.focus();
      });
      slide.set(
        this.way.rules[name],
        name === 'top_k' ? String(this.way.rules.top_k || 'off') : fixed(this.way.rules[name], 2),
      );
      return slide;
    };
    return h(
      'div',
      { class: 'sliders' },
      make('temperature', 'temperature', { min: 0, max: 2, step: 0.05 }).element,
      make('top_k', 'top-k', { min: 0, max: 64, step: 1 }).element,
      make('top_p', 'top-p', { min: 0.05, max: 1, step: 0.01 }).element,
      make('min_p', 'min-p', { min: 0, max: 0.3, step: 0.01 }).element,
    );
  }

  dice(decision: Decided, small: boolean): HTMLElement[] {
    const throws = this.way.row('throws');
    const now = decision.order[decision.chosen]?.id ?? 0;
    const figure = wrap(
      diceFigure(
        decision,
        this.way.rules.temperature ? this.way.u : Number.NaN,
        this.way.shownThrows && !small ? [...throws] : [],
        this.way.word,
        now,
      ),
    );
    if (small) return [figure];
    const alive = decision.shares.map((share, n) => ({ share, n })).filter(item => item.share > 0);
    const hits = new Map<number, number>();
    for (const entry of throws) {
      let far = 0;
      const hit = alive.find(({ share }) => {
        far += share;
        return entry < far;
      });
      if (hit) hits.set(hit.n, (hits.get(hit.n) ?? 0) + 1);
    }
    const most = Math.max(...alive.map(value => value.share), 0.01);
    const rows = alive.slice(0, 12).map(({ share, n }) => {
      const many = hits.get(n) ?? 0;
      const on = n === decision.chosen;
      const ring = this.way.shownThrows
        ? h('i', { class: 'ring', style: `left:${Math.min(100, ((100 * many) / 100 / most) * 0.9)}%` })
        : null;
      const bar = h('span', { class: 'bar' }, h('i', { style: `width:${(90 * share) / most}%` }));
      return h(
        'div',
        { class: on ? 'on' : '' },
        on ? h('i', { class: 'dot' }) : h('i'),
        h('code', {}, tokenWord(this.way.word(decision.order[n]!.id))),
        h('span', { class: 'scale' }, bar, ring),
        h('span', { class: 'n' }, percent(share)),
        h('span', { class: 'n' }, this.way.shownThrows ? String(many) : ''),
      );
    });
    const toggle = () => {
      this.way.shownThrows = !this.way.shownThrows;
      this.change();
    };
    const seed = (this.way.record.head.options as Record<string, unknown> | undefined)?.seed;
    return [
      figure,
      h(
        'div',
        { class: 'two' },
        h(
          'div',
          { class: 'throws' },
          h(
            'div',
            { class: 'fg2' },
            h('i'),
            h(
              'span',
              { style: 'grid-column:2/4' },
              this.way.shownThrows ? '100 throws: rings' : 'what is left',
            ),
            h('span', { class: 'n' }, 'width'),
            h('span', { class: 'n' }, this.way.shownThrows ? 'hits' : ''),
          ),
          ...rows,
        ),
        h(
          'div',
          {},
          h('p', { class: 'fg2', style: 'margin:0' }, 'the token joins the text, and the walk begins again'),
          this.answerLine(),
          h(
            'p',
            { class: 'fg2' },
            `The same seed gives the same numbers, so the same text: this walk has seed ${String(seed ?? '–')}.${this.way.thrown ? ` Seed ${this.way.thrownSeed} throws ${fixed(this.way.u, 3)} here.` : ''}`,
          ),
        ),
      ),
      h(
        'div',
        { class: 'nav' },
        this.throwButton(),
        h(
          'button',
          { class: 'button', type: 'button', 'aria-pressed': String(this.way.shownThrows), onclick: toggle },
          '100 throws',
        ),
        h('span', { class: 'fg2' }, 'seeds 0–99'),
      ),
    ];
  }

  throwButton(): HTMLElement {
    return h(
      'button',
      { class: 'button', type: 'button', onclick: () => this.throwAgain() },
      icon('again'),
      'Throw again',
    );
  }

  throwAgain(): void {
    this.way.thrown++;
    this.change();
  }
}
