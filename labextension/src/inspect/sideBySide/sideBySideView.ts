/** Answers to one prompt side by side: what is common once, then two columns from where they part. */

import { arrayOf, type InspectionRecord } from '../../protocol/inspection.js';
import { bar, bold, footer, onKeys, RadioGroup, select } from '../../ui/controls.js';
import { h, icon } from '../../ui/dom.js';
import { count, fixed, plural, visible } from '../../ui/format.js';
import { colorScale } from '../../ui/legend.js';
import { MEASURES } from '../../ui/measures.js';
import { BaseInspectionView, type InspectionHost } from '../inspectionView.js';
import { type Answer, type Pair, readAnswers, readPair } from './answers.js';
import { STYLE } from './sideBySideView.css.js';
import { type Coloring, TokenColumn } from './tokenColumn.js';
import { weighedTable } from './weighedTable.js';

const NAMES = 'ABCDEFGH';
const COLORINGS: Coloring[] = ['text', 'surprisal', 'probability'];

export class SideBySideView extends BaseInspectionView {
  private readonly modes = new RadioGroup('coloring', ['Text', 'Surprisal', 'Probability'], n =>
    this.setMode(n),
  );
  private readonly picker = select('the answer to compare', n => this.choose(n + 1));
  private readonly legend = h('span');
  private readonly stop = h(
    'button',
    { class: 'button', type: 'button', onclick: () => this.host.interrupt?.() },
    icon('stop'),
    'Stop',
    h('kbd', {}, 'Esc'),
  );
  private readonly common = h('div', { class: 'common' });
  private readonly heads = [h('div', { class: 'head' }), h('div', { class: 'head' })];
  private readonly columns = [0, 1].map(side => new TokenColumn(n => this.go(side, n)));
  private readonly say = h('div', { class: 'say', 'aria-live': 'polite' });
  private readonly below = h('div', { class: 'below' });
  private answers: Answer[] = [];
  private pairs: Pair[] = [];
  private other = 1;
  private mode = 1;
  private at: [number, number] = [0, -1];

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.shell.root.append(
      h(
        'div',
        { class: 'row' },
        this.modes.element,
        this.legend,
        h('span', { class: 'right' }, this.picker.element, this.stop),
      ),
      this.common,
      h(
        'div',
        { class: 'columns' },
        ...this.columns.map((column, side) =>
          h('section', { class: `column ${'ab'[side]}` }, this.heads[side]!, column.text, column.map),
        ),
      ),
      this.say,
      this.below,
      this.footer,
    );
    onKeys(this.shell.root, {
      ArrowLeft: () => this.go(this.at[0], this.at[1] - 1),
      ArrowRight: () => this.go(this.at[0], this.at[1] + 1),
      n: () => this.goToParting(),
      Escape: () => !this.stop.hidden && this.host.interrupt?.(),
      1: () => this.setMode(0),
      2: () => this.setMode(1),
      3: () => this.setMode(2),
    });
    this.modes.show(this.mode);
    for (const [side, column] of this.columns.entries())
      column.text.addEventListener('focus', () => {
        this.at[0] = side;
      });
    this.update(record, host);
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    if (this.setRecord(record, host)) {
      this.answers = readAnswers(record.head.answers, arrayOf(record, 'logprob', 1).data).slice(
        0,
        NAMES.length,
      );
      const raw = Array.isArray(record.head.pairs) ? record.head.pairs : [];
      this.pairs = this.answers.slice(1).map((_, n) => readPair(raw[n]));
      const others = this.answers.slice(1).map((answer, n) => `${NAMES[n + 1]} ${nameOf(answer)}`);
      this.picker.set(others, this.other - 1);
      this.picker.element.hidden = others.length < 2;
      this.draw();
    }
    this.stop.hidden = !this.answers.some(answer => answer.running) || !host.interrupt;
  }

  private setMode(mode: number): void {
    this.mode = mode;
    this.modes.show(mode);
    this.draw();
  }

  private choose(other: number): void {
    this.other = other;
    this.at = [0, -1];
    this.draw();
  }

  private draw(): void {
    const [a, b, pair] = [this.answers[0], this.answers[this.other], this.pairs[this.other - 1]];
    const coloring = COLORINGS[this.mode]!;
    this.legend.replaceChildren(
      coloring === 'text' ? '' : colorScale(MEASURES[coloring].unit, 'h', MEASURES[coloring].edges),
    );
    if (!a || !b || !pair) return this.common.replaceChildren('There are no two answers in this record.');
    const parted = pair.token.map(token => (token ? token - 1 : undefined));
    this.common.replaceChildren(
      h('small', {}, `common to both · ${count(pair.common[0])}${plural(pair.common[0], 'token')}`),
      h('p', {}, visible(a.texts.slice(0, pair.common[0]).join(''))),
    );
    for (const [side, answer] of [a, b].entries()) {
      this.heads[side]!.replaceChildren(...this.head(answer, side));
      this.columns[side]!.show(answer, pair.common[side]!, parted[side], coloring);
    }
    this.below.replaceChildren(...this.comparison(a, b, pair), this.times(a, b));
    const same = a.seed === b.seed ? [`the same prompt, seed ${a.seed}`] : ['the same prompt'];
    const where = pair.token[0] || pair.token[1];
    const first: (HTMLElement | string)[] = where ? [bold(String(where), '', 'they part at token ')] : [];
    this.footer.replaceChildren(
      footer(
        [...first, ...same],
        [
          ['N', 'where they part'],
          ['← →', 'token'],
          ['Tab', 'A, B'],
        ],
        a.model,
      ),
    );
    this.say.textContent = this.columns[this.at[0]]!.mark(this.at[1]);
  }

  private head(answer: Answer, side: number): HTMLElement[] {
    const state = answer.running
      ? 'answering …'
      : answer.error
        ? 'failed'
        : STOPS[answer.stop] || answer.stop;
    const figure = (value: string, unit: string) => h('span', {}, h('b', {}, value), ` ${unit}`);
    const name = NAMES[side ? this.other : 0]!;
    return [
      h(
        'div',
        { class: 'who' },
        h('b', {}, name),
        h('span', { class: 'tag', title: visible(answer.model.name) }, nameOf(answer)),
        h('span', { class: 'state' }, state),
      ),
      h(
        'div',
        { class: 'figures' },
        figure(count(answer.texts.length), plural(answer.texts.length, 'token').trim()),
        figure(fixed(answer.seconds, 2), 's'),
        figure(fixed(answer.speed, 1), 'tok/s'),
        figure(fixed(answer.first, 2), 's to the first'),
        figure(fixed(answer.perplexity, 2), 'perplexity'),
      ),
      answer.note ? h('small', {}, visible(answer.note)) : h('div'),
      answer.error
        ? h('div', { class: 'failure', role: 'status' }, icon('error'), visible(answer.error))
        : h('div'),
    ];
  }

  private comparison(a: Answer, b: Answer, pair: Pair): HTMLElement[] {
    if (!pair.next.length) return [h('p', { class: 'sentence' }, visible(pair.sentence))];
    const names: [string, string] = ['A', NAMES[this.other]!];
    const chosen = [a, b].map((answer, side) => answer.texts[pair.token[side]! - 1]);
    return [
      h(
        'div',
        {},
        h('h4', {}, 'Where they part'),
        weighedTable(pair, chosen, names),
        h('p', { class: 'sentence' }, visible(pair.sentence)),
      ),
    ];
  }

  private times(a: Answer, b: Answer): HTMLElement {
    const most = Math.max(a.seconds || 0, b.seconds || 0, 1e-6);
    const row = (answer: Answer, name: string) =>
      h(
        'div',
        { class: 'time' },
        h('b', {}, name),
        bar((answer.seconds || 0) / most),
        h('span', {}, `${fixed(answer.seconds, 1)} s`),
      );
    return h(
      'div',
      {},
      h('h4', {}, 'Time'),
      row(a, 'A'),
      row(b, NAMES[this.other]!),
      h('small', {}, 'Answers that run at once share the processor.'),
    );
  }

  private go(side: number, n: number): void {
    const most = (this.answers[side ? this.other : 0]?.texts.length ?? 0) - 1;
    this.columns[1 - side]!.mark(-1);
    this.at = [side, Math.max(0, Math.min(most, n))];
    this.say.textContent = this.columns[side]!.mark(this.at[1]);
  }

  private goToParting(): void {
    const token = this.pairs[this.other - 1]?.token[this.at[0]];
    if (!token) return;
    this.go(this.at[0], token - 1);
    this.columns[this.at[0]]!.text.focus();
  }
}

const STOPS: Record<string, string> = { stop: 'done', length: 'cut at the limit', interrupted: 'stopped' };

function nameOf(answer: Answer): string {
  return visible([answer.model.name, answer.model.precision].filter(Boolean).join(' | '));
}
