/** Attribution: which tokens speak for what follows, and which against it. */

import { h } from '../../dom.js';
import { count, percent, probability, tokenWord, visible } from '../../format.js';
import { type Look, type LookHost, numbers, numbersOf, textsOf, wordsOf } from '../../inside.js';
import { signed } from './compareFigures.js';
import { bold, field, foot, needsKernel, onKeys, reveal, stepAt } from './parts.js';
import { InsideView } from './view.js';

const MOST = 12;
const STYLE = `
.text{font:15px/29px var(--llm-text);max-width:41em;max-height:50vh;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;margin:6px 0 10px}
.text span{border-radius:2px;cursor:default}.text .at{outline:2px solid var(--llm-accent);outline-offset:1px}.text .s{border:1px solid var(--llm-line2);font-size:11px;padding:0 4px;color:var(--llm-fg2)}.text .q{color:var(--llm-fg3)}
.g1{background:var(--llm-mass-1)}.g2{background:var(--llm-mass-3)}.g3{background:var(--llm-mass-4)}
.l1{background:var(--llm-heat-1)}.l2{background:var(--llm-heat-3);box-shadow:inset 0 -1px var(--llm-heat-line)}.l3{background:var(--llm-heat-4);box-shadow:inset 0 -2px var(--llm-heat-line)}
:is(.l1,.l2,.l3,.g1,.g2,.g3){color:var(--llm-on)}
.why{font-size:15px;margin:6px 0}.next{border-bottom:2px solid var(--llm-accent)}
.bars div{display:grid;grid-template-columns:36px 110px 1fr 74px minmax(0,200px);gap:10px;align-items:center;height:24px;border-bottom:1px solid var(--llm-line)}.bars .n{text-align:right}.bars b{text-align:right}
.bars .scale{position:relative;height:10px;background:linear-gradient(90deg,transparent calc(50% - .5px),var(--llm-line2) 0 calc(50% + .5px),transparent 0)}.bars .scale i{position:absolute;top:0;height:100%}.bars .for{background:var(--llm-mass-4);left:50%}.bars .con{background:var(--llm-heat-4);right:50%}
.bars code{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}`;

export class CausesView extends InsideView {
  private readonly why = h('div', { class: 'why' });
  private readonly text = h('div', { class: 'text', tabindex: 0, role: 'group', 'aria-label': 'tokens' });
  private readonly say = h('div', { class: 'say', 'aria-live': 'polite' });
  private readonly bars = h('div', { class: 'bars' });
  private readonly target = field('text', 'why …', 'why this token', () => this.ask());
  private readonly against = field('text', 'and not …', 'and not that token', () => this.ask());
  private texts: string[] = [];
  private effect: Float64Array = new Float64Array();
  private word = (id: number) => `#${id}`;
  private at = -1;

  constructor(look: Look, element: HTMLElement, host: LookHost) {
    super(element, STYLE);
    this.shell.root.append(
      h('div', { class: 'row' }, this.target, this.against, h('span', { class: 'legend' })),
      this.busy,
      this.why,
      this.text,
      this.say,
      this.bars,
      this.end,
    );
    onKeys(this.text, {
      ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.go(this.at + 1),
    });
    this.update(look, host);
  }

  private ask(): void {
    this.host.ask?.({ do: 'why', target: this.target.value, against: this.against.value });
  }

  update(look: Look, host: LookHost): void {
    const other = this.take(look, host);
    for (const each of [this.target, this.against]) needsKernel(each, host);
    if (!other) return;
    this.texts = textsOf(look.head.texts);
    this.effect = numbers(look, 'effect', 1).data;
    this.word = wordsOf(look.head.words);
    const { target, against } = look.head;
    this.target.value = this.word(Number(target));
    this.against.value = against === null || against === undefined ? '' : this.word(Number(against));
    this.draw();
  }

  private bits(n: number): number {
    return this.effect[n]! / Math.LN2;
  }

  private draw(): void {
    const { head } = this.look;
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
        const said =
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
          ...said,
        );
      }),
    );
    const missing = this.texts.length - known.length - special.size;
    this.end.replaceChildren(
      foot(
        [
          bold(count(known.length), ` of ${count(this.texts.length)} tokens left out in turn`),
          h('span', {}, visible(String(head.method ?? ''))),
          'bits: blue speaks for it, orange against it',
          ...(missing > 0 ? ['stopped before the rest'] : []),
        ],
        [['← →', 'token']],
        this.look.model,
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
    const target = h('code', {}, tokenWord(this.word(Number(this.look.head.target))));
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
