/** Attribution: which tokens speak for what follows, and which against it. */

import { arrayOf, type InspectionRecord, numbersOf, textsOf, wordsOf } from '../protocol/inspection.js';
import { bold, footer, needsKernel, onKeys, reveal, stepAt, textInput } from '../ui/controls.js';
import { h } from '../ui/dom.js';
import { count, percent, probability, signed, tokenWord, visible } from '../ui/format.js';
import { STYLE } from './attributionView.css.js';
import { BaseInspectionView, type InspectionHost } from './inspectionView.js';

const MOST = 12;

export class AttributionView extends BaseInspectionView {
  private readonly why = h('div', { class: 'why' });
  private readonly text = h('div', { class: 'text', tabindex: 0, role: 'group', 'aria-label': 'tokens' });
  private readonly say = h('div', { class: 'say', 'aria-live': 'polite' });
  private readonly bars = h('div', { class: 'bars' });
  private readonly target = textInput('text', 'why …', 'why this token', () => this.ask());
  private readonly against = textInput('text', 'and not …', 'and not that token', () => this.ask());
  private texts: string[] = [];
  private effect: Float64Array = new Float64Array();
  private word = (id: number) => `#${id}`;
  private at = -1;

  constructor(record: InspectionRecord, element: HTMLElement, host: InspectionHost) {
    super(element, STYLE);
    this.shell.root.append(
      h('div', { class: 'row' }, this.target, this.against, h('span', { class: 'legend' })),
      this.busy,
      this.why,
      this.text,
      this.say,
      this.bars,
      this.footer,
    );
    onKeys(this.text, {
      ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.go(this.at + 1),
    });
    this.update(record, host);
  }

  private ask(): void {
    this.host.ask?.({ type: 'inspection.target', target: this.target.value, against: this.against.value });
  }

  update(record: InspectionRecord, host: InspectionHost): void {
    const other = this.setRecord(record, host);
    for (const item of [this.target, this.against]) needsKernel(item, host);
    if (!other) return;
    this.texts = textsOf(record.head.texts);
    this.effect = arrayOf(record, 'effect', 1).data;
    this.word = wordsOf(record.head.words);
    const { target, against } = record.head;
    this.target.value = this.word(Number(target));
    this.against.value = against === null || against === undefined ? '' : this.word(Number(against));
    this.draw();
  }

  private bits(n: number): number {
    return this.effect[n]! / Math.LN2;
  }

  private draw(): void {
    const { head } = this.record;
    const known = this.texts.map((_, n) => n).filter(n => Number.isFinite(this.effect[n]!));
    const most = Math.max(...known.map(n => Math.abs(this.bits(n))), 0.1);
    const edges = [most / 12, most / 5, most / 2];
    const special = new Set(numbersOf(head.special));
    const code = (id: unknown) => h('code', {}, tokenWord(this.word(Number(id))));
    const contrast = head.against !== null && head.against !== undefined;
    this.why.replaceChildren(
      'Why ',
      h('b', {}, code(head.target)),
      ` (${percent(probability(Number(head.logprob)))})`,
      ...(contrast
        ? [
            ' and not ',
            h('b', {}, code(head.against)),
            ` (${percent(probability(Number(head.logprob_against)))})`,
          ]
        : []),
      '?',
    );
    const spans = this.texts.map((text, n) => {
      const value = this.bits(n);
      const step = Number.isFinite(value) ? stepAt(edges, Math.abs(value)) : 0;
      const names = [
        special.has(n) ? 's' : '',
        step ? `${value > 0 ? 'g' : 'l'}${step}` : '',
        Number.isFinite(value) ? '' : 'q',
      ];
      const lead = /^ (?=.)/s.exec(text)?.[0] ?? '';
      const span = h(
        'span',
        { class: names.join(' '), 'data-n': n, onpointerenter: () => this.go(n) },
        visible(text.slice(lead.length)),
      );
      return lead ? [lead, span] : [span];
    });
    this.text.replaceChildren(
      ...spans.flat(),
      ' ',
      h('span', { class: 'next' }, tokenWord(this.word(Number(head.target)))),
    );
    const worst = [...known].sort((a, b) => Math.abs(this.bits(b)) - Math.abs(this.bits(a))).slice(0, MOST);
    const likeliest = numbersOf(head.likeliest);
    this.bars.replaceChildren(
      ...worst.map(n => {
        const value = this.bits(n);
        const bar = h('i', {
          class: value > 0 ? 'for' : 'con',
          style: `width:${(50 * Math.abs(value)) / most}%`,
        });
        const other = likeliest[n]!;
        const without =
          other >= 0 && other !== Number(head.target)
            ? [h('span', { class: 'fg2' }, 'without it: ', h('code', {}, tokenWord(this.word(other))))]
            : [h('span')];
        return h(
          'div',
          {},
          h('span', { class: 'n fg2' }, count(n + 1)),
          h('code', {}, tokenWord(this.texts[n]!)),
          h('span', { class: 'scale' }, bar),
          h('b', {}, signed(value, 2)),
          ...without,
        );
      }),
    );
    const missing = this.texts.length - known.length - special.size;
    this.footer.replaceChildren(
      footer(
        [
          bold(count(known.length), ` of ${count(this.texts.length)} tokens left out in turn`),
          h('span', {}, visible(String(head.method ?? ''))),
          'bits: blue speaks for it, orange against it',
          ...(missing > 0 ? ['stopped before the rest'] : []),
        ],
        [['← →', 'token']],
        this.record.model,
      ),
    );
    this.go(worst[0] ?? 0);
  }

  private go(n: number): void {
    this.at = Math.max(0, Math.min(this.texts.length - 1, n));
    for (const span of this.text.querySelectorAll('[data-n]'))
      span.classList.toggle('at', Number((span as HTMLElement).dataset.n) === this.at);
    const here = this.text.querySelector<HTMLElement>('.at');
    if (here) reveal(this.text, here);
    const value = this.bits(this.at);
    const target = h('code', {}, tokenWord(this.word(Number(this.record.head.target))));
    this.say.replaceChildren(
      'Without ',
      h('code', {}, tokenWord(this.texts[this.at] ?? '')),
      ` (${this.at + 1}) `,
      target,
      ...(Number.isFinite(value)
        ? [
            ` would be ${value >= 0 ? 'less' : 'more'} likely by `,
            h('b', {}, `${Math.abs(value).toFixed(2)} bits`),
          ]
        : [': not read']),
    );
  }
}
