/** The sampler's choices again: what each rule removes, where the dice fell, what other settings would have done. */

import type { Numbers } from '../../protocol/arrays.js';
import { arrayOf, type InspectionRecord, numbersOf, textsOf, wordsOf } from '../../protocol/inspection.js';
import { bold, footer, indexAt, onKeys, type Slider, select, slider } from '../../ui/controls.js';
import { h, icon, perFrame } from '../../ui/dom.js';
import { count, fixed, percent, probability, specialWord, tokenWord, visible } from '../../ui/format.js';
import { BaseInspectionView, type InspectionHost } from '../inspectionView.js';
import { bandsFigure, candidateRows, left, stripFigure } from './figures.js';
import { STYLE } from './replayView.css.js';
import { type Candidate, type Decided, decide, type Rules, rulesOf } from './sampler.js';

const NAMES = ['temperature', 'top_k', 'top_p', 'min_p', 'repetition_penalty'] as const;

/** A text on one line, with special tokens as outlined words. */
function withSpecials(text: string): (HTMLElement | string)[] {
  return text
    .replace(/^[\w ]*\|>/, '') // the end of one that is cut
    .replace(/\n/g, '⏎')
    .split(/(<\|[^|<>]*\|>)/)
    .map((part, n) => (n % 2 ? h('span', { class: 'chip' }, specialWord(part)) : visible(part)));
}

export class ReplayView extends BaseInspectionView {
  private readonly steps = select('step', n => this.go(this.listed[n] ?? 0));
  private readonly only = h('input', { type: 'checkbox' });
  private readonly line = h('div', { class: 'line' });
  private readonly strip = h('div', { class: 'strip', tabindex: 0, role: 'slider', 'aria-label': 'steps' });
  private readonly list = h('div', { role: 'listbox', 'aria-label': 'candidates' });
  private readonly bands = h('div', { class: 'bands' });
  private readonly set = h('div', { class: 'set' });
  private readonly words = h('div', { 'aria-live': 'polite' });
  private readonly warn = h('div');
  private readonly slides = new Map<string, Slider>();
  private readonly frame = perFrame(() => this.draw());
  private readonly copied = h(
    'button',
    { class: 'button', type: 'button', onclick: () => this.copy() },
    'Copy as options',
  );
  private readonly go_on = h('button', { class: 'button main', type: 'button' });
  private texts: string[] = [];
  private chosen: number[] = [];
  private word = (id: number) => `#${id}`;
  private ids!: Numbers;
  private was!: Rules;
  private rules!: Rules;
  private recorded: Decided[] = [];
  private now: Decided[] = [];
  private at = 0;
  private late: ReturnType<typeof setTimeout> | undefined;

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    const arrow = (by: number, name: string) =>
      h(
        'button',
        { class: 'button', type: 'button', 'aria-label': name, onclick: () => this.walk(by) },
        by < 0 ? '◂' : '▸',
      );
    this.only.addEventListener('change', () => this.draw());
    this.shell.root.append(
      h(
        'div',
        { class: 'row' },
        h('label', {}, 'step ', this.steps.element),
        arrow(-1, 'step before'),
        arrow(1, 'next step'),
        h(
          'label',
          { style: 'display:inline-flex;gap:5px;align-items:center;height:24px' },
          this.only,
          'Only where there was a choice',
        ),
      ),
      this.busy,
      this.line,
      h(
        'div',
        { class: 'key' },
        h('span', {}, 'candidates left, step by step'),
        h('span', {}, h('i', { class: 'm4' }), 'now'),
        h('span', {}, h('i', { style: 'background:var(--llm-track)' }), 'more as recorded'),
        h('span', {}, h('i', { style: 'background:var(--llm-line2);height:4px' }), 'no choice'),
        h(
          'span',
          {},
          h('i', { style: 'background:var(--llm-heat-solid);border-radius:5px;width:9px;height:9px' }),
          'the dice now say another token',
        ),
      ),
      this.strip,
      this.warn,
      h('div', { class: 'three' }, this.list, this.bands, this.set),
      this.footer,
    );
    this.go_on.addEventListener('click', () => this.goOn());
    this.strip.addEventListener('click', event => this.go(indexAt(event, this.strip, this.texts.length)));
    onKeys(this.shell.root, {
      ArrowLeft: () => this.walk(-1),
      ArrowRight: () => this.walk(1),
      n: () => this.other(1),
      N: () => this.other(-1),
      r: () => this.reset(),
      R: () => this.reset(),
    });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    if (!this.setRecord(record, host)) return this.draw();
    this.texts = textsOf(record.head.texts);
    this.chosen = numbersOf(record.head.chosen);
    this.word = wordsOf(record.head.words);
    this.ids = arrayOf(record, 'cand_ids', 2);
    for (const name of ['logprobs', 'seen']) arrayOf(record, name, 2);
    for (const name of ['u', 'log_total', 'exact']) arrayOf(record, name, 1);
    this.was = rulesOf(record.head.options);
    this.rules = { ...this.was };
    this.recorded = this.all();
    this.at = Math.max(
      0,
      this.recorded.findIndex(item => left(item) > 1),
    );
    this.buildSliders();
    this.decideAll();
    this.draw();
  }

  override dispose(): void {
    clearTimeout(this.late);
    this.frame.cancel();
    super.dispose();
  }

  private get vocab(): number {
    return Number(this.record.head.vocab) || 0;
  }

  private candidates(n: number): Candidate[] {
    const many = this.ids.shape[1]!;
    const logprobs = this.record.arrays.get('logprobs')!.data;
    const seen = this.record.arrays.get('seen')!.data;
    return Array.from({ length: many }, (_, k) => ({
      id: this.ids.data[n * many + k]!,
      logprob: logprobs[n * many + k]!,
      seen: seen[n * many + k]! > 0,
    }));
  }

  private one(n: number): Decided {
    const candidates = this.candidates(n);
    const rest = Math.max(0, 1 - candidates.reduce((sum, item) => sum + probability(item.logprob), 0));
    return decide(
      candidates,
      this.record.arrays.get('log_total')!.data[n]!,
      this.record.arrays.get('u')!.data[n]!,
      this.rules,
      rest,
    );
  }

  private all(): Decided[] {
    return this.texts.map((_, n) => this.one(n));
  }

  private changed(): boolean {
    return NAMES.some(name => this.rules[name] !== this.was[name]);
  }

  /** Whether the dice give another token than the record's: where it cannot be replayed nothing is said. */
  private differs(n: number): boolean {
    const exact = this.record.arrays.get('exact')!.data[n]! > 0;
    return exact && this.changed() && this.now[n]!.order[this.now[n]!.chosen]!.id !== this.chosen[n];
  }

  private decideAll(): void {
    this.now = this.all();
  }

  private get listed(): number[] {
    const all = this.texts.map((_, n) => n);
    return this.only.checked ? all.filter(n => left(this.recorded[n]!) > 1 || left(this.now[n]!) > 1) : all;
  }

  private go(n: number): void {
    this.at = Math.max(0, Math.min(this.texts.length - 1, n));
    this.draw();
  }

  private walk(by: number): void {
    const { listed } = this;
    const next = by > 0 ? listed.find(n => n > this.at) : listed.filter(n => n < this.at).at(-1);
    if (next !== undefined) this.go(next);
  }

  private other(by: number): void {
    const all = this.texts.map((_, n) => n).filter(n => this.differs(n));
    const next =
      by > 0 ? (all.find(n => n > this.at) ?? all[0]) : (all.filter(n => n < this.at).at(-1) ?? all.at(-1));
    if (next !== undefined) this.go(next);
  }

  private reset(): void {
    this.rules = { ...this.was };
    this.decideAll();
    this.draw();
  }

  // --- settings

  private buildSliders(): void {
    const log = (value: number) => (value === 0 ? 110 : Math.round((Math.log(value) / Math.log(1000)) * 100));
    const of = (place: number) => (place > 100 ? 0 : Math.max(1, Math.round(1000 ** (place / 100))));
    const make = (
      name: (typeof NAMES)[number],
      label: string,
      range: { min: number; max: number; step: number },
      from: (value: number) => number = value => value,
    ) => {
      const slide = slider(label, range, value => this.change(name, from(value)));
      this.slides.set(name, slide);
      return slide.element;
    };
    this.set.replaceChildren(
      make('temperature', 'temperature', { min: 0, max: 2, step: 0.05 }),
      make('top_k', 'top-k', { min: 0, max: 110, step: 1 }, of),
      make('top_p', 'top-p', { min: 0.05, max: 1, step: 0.01 }),
      make('min_p', 'min-p', { min: 0, max: 0.3, step: 0.01 }),
      make('repetition_penalty', 'repetition penalty', { min: 1, max: 2, step: 0.05 }),
      h(
        'p',
        {},
        h('button', { class: 'button', type: 'button', onclick: () => this.reset() }, 'Reset'),
        ' ',
        this.copied,
      ),
      this.words,
      this.go_on,
      h('p', { class: 'small note' }),
    );
    this.placeOf = name => (name === 'top_k' ? log(this.rules.top_k) : this.rules[name]);
  }

  private placeOf: (name: (typeof NAMES)[number]) => number = () => 0;

  private change(name: (typeof NAMES)[number], value: number): void {
    this.rules = { ...this.rules, [name]: value };
    // This step at once; the strip of all steps once the slider rests.
    this.now[this.at] = this.one(this.at);
    this.frame.ask();
    clearTimeout(this.late);
    this.late = setTimeout(() => {
      this.decideAll();
      this.frame.ask();
    }, 60);
  }

  private copy(): void {
    const { temperature, top_k, top_p, min_p, repetition_penalty } = this.rules;
    const text = `-t ${temperature} --top-k ${top_k} --top-p ${top_p} --min-p ${min_p} --repetition-penalty ${repetition_penalty}`;
    void navigator.clipboard?.writeText(text);
    this.copied.textContent = 'Copied';
    setTimeout(() => {
      this.copied.textContent = 'Copy as options';
    }, 2000);
  }

  private goOn(): void {
    const now = this.now[this.at]!;
    this.host.ask?.({
      type: 'inspection.open',
      view: 'branch',
      at: this.at,
      token: now.order[now.chosen]!.id,
    });
  }

  // --- what is seen

  private draw(): void {
    if (!this.texts.length) return;
    const { listed } = this;
    const none = !listed.length;
    this.steps.element.disabled = none;
    this.steps.set(
      none ? ['none'] : listed.map(n => `${n + 1} of ${this.texts.length}`),
      none ? 0 : listed.indexOf(this.at),
    );
    for (const name of NAMES) {
      const value = this.rules[name];
      const shown = name === 'top_k' ? (value ? String(value) : 'off') : fixed(value, 2);
      const before = name === 'top_k' ? this.was[name] || 'off' : fixed(this.was[name], 2);
      this.slides
        .get(name)!
        .set(this.placeOf(name), value === this.was[name] ? shown : `${before} → ${shown}`);
    }
    const before = String(this.record.head.tail ?? '') + this.texts.slice(0, this.at).join('');
    const after = this.texts.slice(this.at + 1).join('');
    this.line.replaceChildren(
      ...withSpecials(before.slice(-70)),
      h('b', {}, visible(this.texts[this.at]!.replace(/\n/g, '⏎')) || '▯'),
      ...withSpecials(after.slice(0, 70)),
    );
    const now = this.now[this.at]!;
    const recorded = this.chosen[this.at]!;
    const u = this.record.arrays.get('u')!.data[this.at]!;
    this.strip.replaceChildren(stripFigure(this.recorded, this.now, n => this.differs(n), this.at));
    this.strip.setAttribute('aria-valuetext', `step ${this.at + 1}, ${left(now)} candidates`);
    this.list.replaceChildren(...candidateRows(now, recorded, this.word, this.vocab));
    this.warn.replaceChildren(
      now.lacks > 1e-4
        ? h(
            'div',
            { class: 'banner warn', role: 'status' },
            `The record keeps ${count(now.order.length)} candidates of this step: ${percent(now.lacks)} of the probability is not among them, so this is not exact.`,
          )
        : '',
    );
    this.bands.replaceChildren(bandsFigure(now, this.recorded[this.at]!, recorded, this.word, u));
    this.drawWords();
  }

  private drawWords(): void {
    const now = this.now[this.at]!;
    const was = this.recorded[this.at]!;
    const u = this.record.arrays.get('u')!.data[this.at]!;
    const code = (id: number) => h('code', {}, tokenWord(this.word(id)));
    const share = was.shares[was.order.findIndex(item => item.id === this.chosen[this.at])] ?? 0;
    const next = now.order[now.chosen]!.id;
    const exact = this.record.arrays.get('exact')!.data[this.at]! > 0;
    this.words.replaceChildren(
      Number.isFinite(u)
        ? h('p', {}, 'The dice stay at ', h('b', {}, fixed(u, 3)), '.')
        : h('p', {}, 'No dice fell here: the likeliest token was taken.'),
      h(
        'p',
        { class: 'fg2' },
        'Recorded ',
        code(this.chosen[this.at]!),
        ` ${percent(share)} of ${count(left(was))}`,
      ),
      h(
        'p',
        { class: 'fg2' },
        'Now ',
        code(next),
        ` ${percent(now.shares[now.chosen]!)} of ${count(left(now))}`,
      ),
      exact ? '' : h('p', { class: 'small' }, 'This step cannot be replayed exactly because of rounding.'),
    );
    const differs = this.differs(this.at);
    this.go_on.hidden = !differs;
    this.go_on.disabled = !this.host.ask || !!this.host.busy;
    this.go_on.title = this.host.ask ? '' : 'needs a running kernel';
    this.go_on.replaceChildren(icon('branch'), `Go on with ${tokenWord(this.word(next))}`);
    const others = this.texts.map((_, n) => n).filter(n => this.differs(n));
    const note = this.set.querySelector('.note')!;
    note.textContent = others.length
      ? `From step ${others[0]! + 1} on the text would be another: later steps show what the rules do to the text as it was.`
      : '';
    const choicesBefore = this.recorded.filter(entry => left(entry) > 1).length;
    const has = this.now.filter(value => left(value) > 1).length;
    const wrong = this.record.arrays.get('exact')!.data.filter(item => !item).length;
    const seed = (this.record.head.options as Record<string, unknown>)?.seed;
    this.footer.replaceChildren(
      footer(
        [
          bold(
            count(has),
            ` of ${count(this.texts.length)} steps have a choice${has === choicesBefore ? '' : `, as recorded ${count(choicesBefore)}`}`,
          ),
          ...(others.length
            ? [bold(count(others.length), ` other tokens, the first at ${others[0]! + 1}`)]
            : []),
          bold(String(seed ?? '–'), '', 'seed '),
          ...(wrong ? [`${count(wrong)} not exact`] : []),
        ],
        [
          ['← →', 'step'],
          ['N', 'next other token'],
          ['R', 'reset'],
        ],
        this.record.model,
      ),
    );
  }
}
