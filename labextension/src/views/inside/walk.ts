/** The walk: one token's way through the model, station by station, with its real numbers. */

import { h, icon } from '../../dom.js';
import { count, fixed, percent, probability, tokenWord, visible } from '../../format.js';
import {
  type Look,
  type LookHost,
  type LookView,
  numbers,
  numbersOf,
  textsOf,
  wordsOf,
} from '../../inside.js';
import { type Candidate, type Decided, decide, type Rules } from '../../sampler.js';
import { points, svg } from '../../svg.js';
import { shell } from '../shell.js';
import { ordinal } from './lens.js';
import { bold, busyLine, Choice, foot, onKeys, PARTS_STYLE, picker, type Slide, slider } from './parts.js';
import {
  arcsFigure,
  diceFigure,
  FIGURES_STYLE,
  gatesFigure,
  layersFigure,
  type Numbered,
  piecesFigure,
  scoresFigure,
  shares,
  signed,
  vectorsFigure,
  wrap,
} from './walkParts.js';

const STATIONS = ['Pieces', 'Vectors', 'Attention', 'Layers', 'Scores', 'Cut', 'Dice'];
const FULL: Record<number, [string, string]> = {
  0: ['Tokenizer', 'tokenizers'],
  2: ['Attention', 'attention'],
  3: ['Lens', 'lens'],
  4: ['Probe', 'probe'],
  5: ['Replay', 'replay'],
  6: ['Replay', 'replay'],
};

const STYLE = `${PARTS_STYLE}${FIGURES_STYLE}
.path{display:grid;grid-template-columns:repeat(7,minmax(0,1fr));margin:4px 0 14px}
.path button{all:unset;cursor:pointer;position:relative;font:12px/1.4 var(--llm-ui);padding-right:8px}.path button:focus-visible{outline:2px solid var(--llm-focus)}
.path button::before{content:"";position:absolute;left:32px;right:4px;top:11px;height:2px;background:var(--llm-line2)}.path button:last-child::before{display:none}.path .done::before{background:var(--llm-mass-solid)}
.path i{display:flex;align-items:center;justify-content:center;width:22px;height:22px;border-radius:12px;border:1.5px solid var(--llm-line2);font-style:normal;font-weight:600;font-size:11px;color:var(--llm-fg2)}
.path .done i{border-color:var(--llm-mass-solid);color:var(--llm-accent)}.path .now i{background:var(--llm-mass-solid);border-color:var(--llm-mass-solid);color:var(--llm-accent-on)}.path .now b{color:var(--llm-accent)}
.path b{display:block;font-weight:400;margin-top:4px}.path .done b{color:var(--llm-fg)}.path small{display:block;font-size:11px;color:var(--llm-fg2);overflow:hidden;text-overflow:ellipsis;white-space:nowrap;min-height:15px}
.one{font:17px/1.45 var(--llm-text);margin:4px 0 10px}.one code{font-size:15px}.nav{display:flex;gap:8px;align-items:center;margin-top:14px}.nav .link{margin-left:auto}
.link{all:unset;cursor:pointer;color:var(--llm-accent)}.link[disabled]{color:var(--llm-fg2);cursor:default}.link:focus-visible{outline:2px solid var(--llm-focus)}
.sliders{display:flex;flex-wrap:wrap;gap:6px 28px;margin-top:10px}
.all{display:grid;grid-template-columns:34px minmax(0,240px) minmax(0,1fr);gap:14px 16px}.all .no{display:flex;flex-direction:column;align-items:center}.all .no i{display:flex;align-items:center;justify-content:center;width:22px;height:22px;border:1.5px solid var(--llm-mass-solid);border-radius:12px;font-style:normal;font-weight:600;font-size:11px;color:var(--llm-accent)}.all .no::after{content:"";flex:1;width:2px;background:var(--llm-mass-solid);margin-bottom:-14px}
.all .what>b{display:block;font:600 14px var(--llm-ui)}.all .what p{margin:4px 0;color:var(--llm-fg2)}
.said{font:19px/1.5 var(--llm-text);white-space:pre-wrap;overflow-wrap:anywhere}.said mark{background:var(--llm-mass-4);color:var(--llm-on);font-weight:600;border-radius:2px}.said i{display:inline-block;width:7px;height:1.1em;vertical-align:text-bottom;background:var(--llm-mass-solid);margin-left:2px}
.throws>div{display:grid;grid-template-columns:14px 84px 1fr 60px 44px;gap:8px;align-items:center;height:26px}.throws .on{font-weight:600}.throws .dot{width:9px;height:9px;border-radius:5px;background:var(--llm-heat-solid)}.throws .n{text-align:right}.throws .scale{position:relative}.throws .ring{position:absolute;top:-2px;width:8px;height:8px;border:2px solid var(--llm-fg);border-radius:7px;background:var(--llm-bg);transform:translateX(-50%)}
@container (max-width:640px){.path b,.path small{display:none}.all{grid-template-columns:30px minmax(0,1fr)}.all>:nth-child(3n){grid-column:2}}
@media print{.path,.nav,.sliders{display:none!important}}`;

export class WalkView implements LookView {
  private readonly shell;
  private readonly modes = new Choice('steps', ['Step by step', 'All steps'], n => this.setMode(n));
  private readonly tokens = picker('token', n => this.go(n, this.step));
  private readonly busy = h('div');
  private readonly main = h('div', { tabindex: 0, role: 'group', 'aria-label': 'the walk' });
  private readonly end = h('div');
  private look!: Look;
  private host!: LookHost;
  private all: Numbered[] = [];
  private walked: Numbered[] = [];
  private prompt = 0;
  private word = (id: number) => `#${id}`;
  private was!: Rules;
  private rules!: Rules;
  private mode = 0;
  private token = 0;
  private step = 0;
  private head: [number, number] = [0, 0];
  private thrown = 0;
  private shownThrows = false;

  constructor(look: Look, element: HTMLElement, host: LookHost) {
    this.shell = shell(element, STYLE);
    this.shell.root.append(
      h('div', { class: 'row' }, this.modes.element, h('label', {}, 'token ', this.tokens.element)),
      this.busy,
      this.main,
      this.end,
    );
    onKeys(this.shell.root, {
      ArrowLeft: () => this.go(this.token, this.step - 1),
      ArrowRight: () => this.next(),
      ArrowUp: () => this.go(this.token, this.step - 1),
      ArrowDown: () => this.go(this.token, this.step + 1),
      ',': () => this.go(this.token - 1, this.step),
      '.': () => this.go(this.token + 1, this.step),
      t: () => this.throwAgain(),
      r: () => this.reset(),
      Enter: () => this.open(this.step),
    });
    this.update(look, host);
  }

  update(look: Look, host: LookHost): void {
    const same = look === this.look;
    this.look = look;
    this.host = host;
    this.busy.replaceChildren(busyLine(host));
    if (same) return this.draw();
    const ids = numbersOf(look.head.ids);
    this.all = textsOf(look.head.texts).map((text, n) => ({ text, id: ids[n] ?? 0 }));
    const given = Array.isArray(look.head.tokens) ? look.head.tokens : [];
    this.walked = given.map(each => ({ text: String(each?.text ?? ''), id: Number(each?.id) || 0 }));
    this.prompt = Number(look.head.prompt) || 0;
    this.word = wordsOf(look.head.words);
    for (const [name, axes] of [
      ['cand_ids', 2],
      ['logprobs', 2],
      ['seen', 2],
      ['u', 1],
      ['log_total', 1],
      ['scores', 2],
      ['bounds', 2],
      ['looks', 4],
      ['adds', 3],
      ['lens_ids', 3],
      ['lens_logprobs', 3],
      ['lens_rank', 2],
      ['alike', 2],
      ['throws', 2],
      ['warm', 1],
      ['vectors', 2],
    ] as const)
      numbers(look, name, axes);
    const options = (look.head.options ?? {}) as Record<string, unknown>;
    const number = (name: string, other: number) =>
      Number.isFinite(options[name]) ? Number(options[name]) : other;
    this.was = {
      temperature: number('temperature', 1),
      top_k: number('top_k', 0),
      top_p: number('top_p', 1),
      min_p: number('min_p', 0),
      repetition_penalty: number('repetition_penalty', 1),
    };
    this.rules = { ...this.was };
    this.token = Math.min(this.token, Math.max(this.walked.length - 1, 0));
    this.head = this.bestHead();
    this.setMode(this.mode);
  }

  dispose(): void {
    this.shell.dispose();
  }

  // --- the numbers of the token that is walked

  private data(name: string): Float64Array {
    return this.look.arrays.get(name)!.data;
  }

  private row(name: string): Float64Array {
    const { data, shape } = this.look.arrays.get(name)!;
    const size = shape.slice(1).reduce((a, b) => a * b, 1);
    return data.subarray(this.token * size, (this.token + 1) * size);
  }

  private get layers(): number {
    return this.look.arrays.get('adds')!.shape[1]!;
  }

  private get heads(): number {
    return this.look.arrays.get('adds')!.shape[2]!;
  }

  /** The place whose next token this is. */
  private get last(): number {
    return this.prompt + this.token - 1;
  }

  private get vocab(): number {
    return Number(this.look.head.vocab) || 0;
  }

  private get own(): Numbered {
    return this.walked[this.token] ?? { text: '', id: 0 };
  }

  private looks(layer: number, head: number): number[] {
    const size = this.look.arrays.get('looks')!.shape[3]!;
    const row = this.row('looks');
    const begin = (layer * this.heads + head) * size;
    return [...row.subarray(begin, begin + this.last + 1)];
  }

  /** What adds most, of the heads that look most at neither the first token nor the last itself. */
  private bestHead(): [number, number] {
    const adds = this.row('adds');
    let best: [number, number] = [0, 0];
    let most = -Infinity;
    for (let layer = 0; layer < this.layers; layer++)
      for (let head = 0; head < this.heads; head++) {
        const looks = this.looks(layer, head);
        const at = looks.indexOf(Math.max(...looks));
        const value = adds[layer * this.heads + head]!;
        if (at !== 0 && at !== this.last && value > most) {
          most = value;
          best = [layer, head];
        }
      }
    return best;
  }

  private decided(rules = this.rules): Decided {
    const ids = this.row('cand_ids');
    const logprobs = this.row('logprobs');
    const seen = this.row('seen');
    const given: Candidate[] = [...ids].map((id, n) => ({ id, logprob: logprobs[n]!, seen: seen[n]! > 0 }));
    const rest = Math.max(0, 1 - given.reduce((sum, each) => sum + probability(each.logprob), 0));
    const total = this.data('log_total')[this.token]!;
    const made = decide(given, total, this.u, rules, rest);
    const { temperature, repetition_penalty: penalty } = rules;
    // Of all tokens, where that was noted: at the walk's own temperature.
    if (temperature && temperature === this.was.temperature && penalty === 1) {
      const warm = this.data('warm')[this.token]!;
      made.scaled = made.order.map(each => Math.exp((each.logprob + total) / temperature - warm));
    }
    return made;
  }

  /** The dice of this token: the record's, or thrown again. */
  private get u(): number {
    const thrown = this.row('throws');
    return this.thrown
      ? (thrown[(this.thrown - 1) % thrown.length] ?? Number.NaN)
      : this.data('u')[this.token]!;
  }

  private leads(): number {
    const rank = this.row('lens_rank');
    let layer = rank.length - 1;
    if (rank[layer]) return 0;
    while (layer > 0 && rank[layer - 1] === 0) layer--;
    return layer + 1;
  }

  // --- going

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    this.draw();
  }

  private go(token: number, step: number): void {
    const before = this.token;
    this.token = Math.max(0, Math.min(this.walked.length - 1, token));
    this.step = Math.max(0, Math.min(STATIONS.length - 1, step));
    if (this.token !== before) {
      this.head = this.bestHead();
      this.thrown = 0;
    }
    this.draw();
    this.main.focus({ preventScroll: true });
  }

  private next(): void {
    if (this.step < STATIONS.length - 1) this.go(this.token, this.step + 1);
    else if (this.token < this.walked.length - 1) this.go(this.token + 1, 0);
  }

  private throwAgain(): void {
    this.thrown++;
    this.draw();
  }

  private reset(): void {
    this.rules = { ...this.was };
    this.thrown = 0;
    this.draw();
  }

  private open(step: number): void {
    const [, view] = FULL[step] ?? [];
    if (view && this.host.ask)
      this.host.ask({ do: 'open', view, upto: this.last + 1, layer: this.head[0] + 1, token: this.token });
  }

  // --- what is seen

  private draw(): void {
    if (!this.walked.length) return this.main.replaceChildren('There is no token to walk.');
    this.tokens.set(
      this.walked.map((each, n) => `${tokenWord(each.text)} ${n + 1} of ${this.walked.length}`),
      this.token,
    );
    if (this.mode) this.drawAll();
    else this.drawStep();
    this.end.replaceChildren(
      foot(
        [
          bold(
            String(this.mode ? STATIONS.length : this.step + 1),
            this.mode ? ' steps' : ` of ${STATIONS.length}`,
            this.mode ? '' : 'step ',
          ),
          h(
            'span',
            {},
            'token ',
            h('b', {}, String(this.token + 1)),
            ` of ${this.walked.length}, place ${this.last + 2}`,
          ),
        ],
        [
          [this.mode ? '↑ ↓' : '← →', 'step'],
          [', .', 'token'],
          ['T', 'throw'],
        ],
        this.look.model,
      ),
    );
  }

  private drawStep(): void {
    const path = STATIONS.map((name, n) => {
      const state = n === this.step ? 'now done' : n < this.step ? 'done' : '';
      const result = n <= this.step || n < this.step ? this.result(n) : '';
      return h(
        'button',
        {
          class: state,
          type: 'button',
          role: 'tab',
          'aria-selected': String(n === this.step),
          tabindex: n === this.step ? 0 : -1,
          onclick: () => this.go(this.token, n),
        },
        h('i', {}, String(n + 1)),
        h('b', {}, name),
        h('small', { title: result }, result),
      );
    });
    const last = this.step === STATIONS.length - 1;
    const done = last && this.token === this.walked.length - 1;
    const label = last
      ? done
        ? 'Done'
        : 'Walk the next token'
      : `Next: ${STATIONS[this.step + 1]!.toLowerCase()}`;
    this.main.replaceChildren(
      h('div', { class: 'path', role: 'tablist', 'aria-label': 'stations' }, ...path),
      h('p', { class: 'one', 'aria-live': 'polite' }, ...this.sentence(this.step)),
      ...this.figure(this.step),
      h(
        'div',
        { class: 'nav' },
        h(
          'button',
          {
            class: 'button',
            type: 'button',
            disabled: this.step === 0,
            onclick: () => this.go(this.token, this.step - 1),
          },
          '◂ Back',
        ),
        h(
          'button',
          { class: 'button main', type: 'button', disabled: done, onclick: () => this.next() },
          label,
          done ? '' : ' ▸',
        ),
        this.link(this.step),
      ),
    );
  }

  private link(step: number): HTMLElement | string {
    const [name] = FULL[step] ?? [];
    if (!name) return '';
    const can = !!this.host.ask && !this.host.busy;
    return h(
      'button',
      {
        class: 'link',
        type: 'button',
        disabled: !can,
        title: can ? '' : 'needs a running kernel',
        onclick: () => this.open(step),
      },
      this.mode ? `${name} ↗` : `open the full view: ${name} ↗`,
    );
  }

  private drawAll(): void {
    const rows = STATIONS.flatMap((name, n) => [
      h('div', { class: 'no' }, h('i', {}, String(n + 1))),
      h('div', { class: 'what' }, h('b', {}, name), h('p', {}, ...this.sentence(n)), this.link(n)),
      h('div', {}, ...this.figure(n, true)),
    ]);
    const done = this.token === this.walked.length - 1;
    this.main.replaceChildren(
      h('div', { class: 'all' }, ...rows),
      this.said(),
      h(
        'div',
        { class: 'nav' },
        h(
          'button',
          { class: 'button', type: 'button', onclick: () => this.throwAgain() },
          icon('again'),
          'Throw again',
        ),
        h(
          'button',
          { class: 'button main', type: 'button', disabled: done, onclick: () => this.go(this.token + 1, 0) },
          done ? 'Done' : 'Walk the next token ▸',
        ),
      ),
    );
  }

  private said(): HTMLElement {
    const before = this.all
      .slice(0, this.last + 1)
      .map(each => each.text)
      .join('')
      .slice(-400);
    const now = this.decided();
    const id = now.order[now.chosen]?.id ?? this.own.id;
    return h(
      'div',
      { class: 'said' },
      visible(before),
      h('mark', {}, visible(id === this.own.id ? this.own.text : this.word(id))),
      h('i'),
    );
  }

  /** Below a station: what came of it. */
  private result(n: number): string {
    const made = this.decided();
    const own = tokenWord(this.own.text).replace(/^␣/, '');
    const looks = this.looks(...this.head);
    const at = looks.indexOf(Math.max(...looks));
    const score = this.score();
    return [
      () => `${count(this.last + 1)} tokens`,
      () => `${count(Number(this.look.head.hidden) || 0)} numbers`,
      () => `${percent(looks[at] ?? 0)} at ${tokenWord(this.all[at]?.text ?? '').replace(/^␣/, '')}`,
      () => (this.leads() ? `${own} from ${this.leads()}` : `${own} never first`),
      () => `${fixed(score, 2)} → ${percent(this.p())}`,
      () => `${count(made.shares.filter(share => share > 0).length)} of ${count(this.vocab)}`,
      () => (Number.isFinite(this.u) ? fixed(this.u, 3) : 'no dice'),
    ][n]!();
  }

  private p(): number {
    const at = this.row('cand_ids').indexOf(this.own.id);
    return at < 0 ? Number.NaN : probability(this.row('logprobs')[at]!);
  }

  private score(): number {
    const at = this.row('cand_ids').indexOf(this.own.id);
    return at < 0 ? Number.NaN : this.row('logprobs')[at]! + this.data('log_total')[this.token]!;
  }

  /** One sentence, one bold number. */
  private sentence(n: number): (string | HTMLElement)[] {
    const b = (text: string) => h('b', {}, text);
    const code = (text: string) => h('code', {}, tokenWord(text));
    const lastText = this.all[this.last]?.text ?? '';
    const made = this.decided();
    const left = made.shares.filter(share => share > 0).length;
    const now = made.order[made.chosen]?.id ?? 0;
    const looks = this.looks(...this.head);
    const at = looks.indexOf(Math.max(...looks));
    const second = made.order.find(each => each.id !== this.own.id);
    switch (n) {
      case 0:
        return [
          'The text is cut into ',
          b(count(this.last + 1)),
          ' pieces that the model knows by number; it never sees letters.',
        ];
      case 1:
        return [
          'Each number picks a row of a table: ',
          code(lastText),
          ' begins as ',
          b(count(Number(this.look.head.hidden) || 0)),
          ' numbers',
          this.row('alike').some(value => Number.isFinite(value))
            ? ', the same ones both times it stands here.'
            : '.',
        ];
      case 2:
        return [
          'To say what comes next, ',
          code(lastText),
          ' looks back; this head gives ',
          code(this.all[at]?.text ?? ''),
          ' ',
          b(percent(looks[at] ?? 0)),
          ' of its attention.',
        ];
      case 3:
        return this.leads()
          ? [
              'Read out early it says something else; ',
              code(this.own.text),
              ' leads from layer ',
              b(String(this.leads())),
              ' on.',
            ]
          : [
              'Read out layer by layer, ',
              code(this.own.text),
              ' is ',
              b(ordinal(this.row('lens_rank').at(-1)! + 1)),
              ' in the end: the dice chose it.',
            ];
      case 4: {
        const rest = second ? this.score() - (second.logprob + this.data('log_total')[this.token]!) : 0;
        return [
          'Every token gets a score: ',
          code(this.own.text),
          ' has ',
          b(fixed(this.score(), 2)),
          second
            ? `, ${fixed(Math.abs(rest), 2)} ${rest >= 0 ? 'above' : 'below'} the next, ${fixed(Math.exp(Math.abs(rest)), rest > 3 ? 0 : 1)} times the ${rest >= 0 ? '' : 'smaller '}share.`
            : '.',
        ];
      }
      case 5:
        return this.rules.temperature === 0
          ? ['At temperature 0 only the likeliest is left: ', b(tokenWord(this.word(made.order[0]!.id))), '.']
          : [
              'Rules cut off what is unlikely: of ',
              count(this.vocab),
              ' tokens ',
              b(count(left)),
              ' are left for the dice.',
            ];
      default:
        return Number.isFinite(this.u) && this.rules.temperature > 0
          ? [
              'A random number decides: ',
              b(fixed(this.u, 3)),
              ' lies in the piece of ',
              code(this.word(now)),
              `, one of ${count(left)}.`,
            ]
          : ['No dice: the likeliest token is taken, ', b(tokenWord(this.word(now))), '.'];
    }
  }

  private figure(n: number, small = false): HTMLElement[] {
    const made = this.decided();
    switch (n) {
      case 0:
        return piecesFigure(
          this.all.slice(0, this.last + 1).slice(-60),
          Math.min(this.last, 59),
          this.vocab,
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
          gatesFigure(made, this.rules, this.vocab, this.word, this.own.id),
          ...(small ? [] : [this.sliders()]),
        ];
      default:
        return this.dice(made, small);
    }
  }

  private vectors(small: boolean): HTMLElement[] {
    const { data, shape } = this.look.arrays.get('vectors')!;
    const columns = shape[1]!;
    const places = numbersOf(this.look.head.places);
    const same = this.all[this.last]?.id;
    const rows = places
      .map((place, row) => ({ place, row }))
      .filter(each => each.place <= this.last)
      .slice(small ? -2 : -6)
      .map(({ place, row }) => ({
        name: tokenWord(this.all[place]?.text ?? ''),
        id: this.all[place]?.id ?? 0,
        values: [...data.subarray(row * columns, (row + 1) * columns)],
        on: this.all[place]?.id === same,
      }));
    const first = numbersOf(this.look.head.numbers)
      .map(value => signed(value, 3))
      .join(' ');
    const figure = vectorsFigure(rows, small ? [] : [...this.row('alike')]);
    return this.token === 0 ? [...figure, h('code', { class: 'fg2' }, `${first} …`)] : figure;
  }

  private attention(small: boolean): HTMLElement[] {
    const [layer, head] = this.head;
    const texts = this.all.slice(0, this.last + 1).map(each => each.text);
    const arcs = wrap(arcsFigure(texts, this.looks(layer, head), this.last));
    if (small) return [arcs];
    const adds = this.row('adds');
    const pick = (l: number, hd: number) => {
      this.head = [l, hd];
      this.draw();
    };
    const sums = Array.from({ length: this.layers }, (_, l) =>
      adds.subarray(l * this.heads, (l + 1) * this.heads).reduce((a, b) => a + b, 0),
    );
    const rows = Array.from({ length: this.heads }, (_, n) => {
      const looks = this.looks(layer, n);
      const rest = looks[0] ?? 0;
      const at = looks.indexOf(Math.max(...looks.slice(1), 0));
      const value = looks[Math.max(at, 0)] ?? 0;
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
        h('span', { class: 'n' }, signed(adds[layer * this.heads + n]!, 2)),
      );
    });
    const total = adds.reduce((a, b) => a + b, 0);
    const best = (l: number): [number, number] => {
      const part = [...adds.subarray(l * this.heads, (l + 1) * this.heads)];
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
            h('code', {}, tokenWord(texts[this.last] ?? '')),
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
        h('code', {}, tokenWord(this.own.text)),
        ', directly',
      ),
      wrap(layersFigure(sums, layer, l => pick(...best(l)))),
      h(
        'p',
        { class: 'fg2' },
        `Grey: the first token, on which heads rest that look for nothing. All heads together add ${signed(total, 2)}, this one alone ${signed(adds[layer * this.heads + head]!, 2)}.`,
      ),
    ];
  }

  private lens(small: boolean): HTMLElement[] {
    const rank = this.row('lens_rank');
    const many = this.look.arrays.get('lens_ids')!.shape[2]!;
    const ids = this.row('lens_ids');
    const logprobs = this.row('lens_logprobs');
    const count4 = this.layers;
    const shown = [
      ...new Set([0, Math.round((count4 - 1) / 3), Math.round((2 * (count4 - 1)) / 3), count4 - 1]),
    ];
    const cards = shown.map(layer => {
      const list = Array.from({ length: small ? 1 : many }, (_, n) => ({
        text: this.word(ids[layer * many + n]!),
        p: probability(logprobs[layer * many + n]!),
        on: ids[layer * many + n] === this.own.id,
      }));
      return shares(
        `after layer ${layer + 1}`,
        list,
        `${tokenWord(this.own.text)} is ${ordinal(rank[layer]! + 1)}`,
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
      svg('text', { x: 10, y: 74 }, `rank of ${tokenWord(this.own.text)} by layer, log scale`),
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

  private scores(small: boolean): HTMLElement[] {
    const ids = this.row('cand_ids');
    const logprobs = this.row('logprobs');
    const total = this.data('log_total')[this.token]!;
    const order = [...ids.keys()].sort((a, b) => logprobs[b]! - logprobs[a]!);
    const list = order.slice(0, 6).map(n => ({
      text: this.word(ids[n]!),
      p: probability(logprobs[n]!),
      on: ids[n] === this.own.id,
      score: logprobs[n]! + total,
    }));
    const table = shares('token, score, share', list);
    if (small)
      return [
        table,
        h(
          'p',
          { class: 'fg2' },
          `the last vector against each of the ${count(this.vocab)} rows; scores become shares of 100 %`,
        ),
      ];
    const [low, high] = this.row('bounds') as unknown as [number, number];
    const figure = wrap(
      scoresFigure(
        [...this.row('scores')],
        low,
        high,
        tokenWord(this.own.text).replace(/^␣/, ''),
        this.score(),
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

  private sliders(): HTMLElement {
    const make = (
      name: keyof Rules,
      label: string,
      range: { min: number; max: number; step: number },
    ): Slide => {
      const slide = slider(label, range, value => {
        this.rules = { ...this.rules, [name]: value };
        this.draw();
        this.shell.root.querySelector<HTMLInputElement>(`input[aria-label="${label}"]`)?.focus();
      });
      slide.set(
        this.rules[name],
        name === 'top_k' ? String(this.rules.top_k || 'off') : fixed(this.rules[name], 2),
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

  private dice(made: Decided, small: boolean): HTMLElement[] {
    const throws = this.row('throws');
    const now = made.order[made.chosen]?.id ?? 0;
    const figure = wrap(
      diceFigure(
        made,
        this.rules.temperature ? this.u : Number.NaN,
        this.shownThrows && !small ? [...throws] : [],
        this.word,
        now,
      ),
    );
    if (small) return [figure];
    const alive = made.shares.map((share, n) => ({ share, n })).filter(each => each.share > 0);
    const hits = new Map<number, number>();
    for (const each of throws) {
      let far = 0;
      const hit = alive.find(({ share }) => {
        far += share;
        return each < far;
      });
      if (hit) hits.set(hit.n, (hits.get(hit.n) ?? 0) + 1);
    }
    const most = Math.max(...alive.map(each => each.share), 0.01);
    const rows = alive.slice(0, 12).map(({ share, n }) => {
      const many = hits.get(n) ?? 0;
      const on = n === made.chosen;
      const ring = this.shownThrows
        ? h('i', { class: 'ring', style: `left:${Math.min(100, ((100 * many) / 100 / most) * 0.9)}%` })
        : null;
      const bar = h('span', { class: 'bar' }, h('i', { style: `width:${(90 * share) / most}%` }));
      return h(
        'div',
        { class: on ? 'on' : '' },
        on ? h('i', { class: 'dot' }) : h('i'),
        h('code', {}, tokenWord(this.word(made.order[n]!.id))),
        h('span', { class: 'scale' }, bar, ring),
        h('span', { class: 'n' }, percent(share)),
        h('span', { class: 'n' }, this.shownThrows ? String(many) : ''),
      );
    });
    const toggle = () => {
      this.shownThrows = !this.shownThrows;
      this.draw();
    };
    const seed = (this.look.head.options as Record<string, unknown> | undefined)?.seed;
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
            h('span', { style: 'grid-column:2/4' }, this.shownThrows ? '100 throws: rings' : 'what is left'),
            h('span', { class: 'n' }, 'width'),
            h('span', { class: 'n' }, this.shownThrows ? 'hits' : ''),
          ),
          ...rows,
        ),
        h(
          'div',
          {},
          h('p', { class: 'fg2', style: 'margin:0' }, 'the token joins the text, and the walk begins again'),
          this.said(),
          h(
            'p',
            { class: 'fg2' },
            `The same seed gives the same numbers, so the same text: this walk has seed ${String(seed ?? '–')}.${this.thrown ? ` Seed ${(this.thrown - 1) % 100} throws ${fixed(this.u, 3)} here.` : ''}`,
          ),
        ),
      ),
      h(
        'div',
        { class: 'nav' },
        h(
          'button',
          { class: 'button', type: 'button', onclick: () => this.throwAgain() },
          icon('again'),
          'Throw again',
        ),
        h(
          'button',
          { class: 'button', type: 'button', 'aria-pressed': String(this.shownThrows), onclick: toggle },
          '100 throws',
        ),
        h('span', { class: 'fg2' }, 'seeds 0–99'),
      ),
    ];
  }
}
