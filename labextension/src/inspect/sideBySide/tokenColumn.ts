/** One of several answers: its text from the token on where they part, and a bar for each token. */

import { indexAt, stepAt } from '../../ui/controls.js';
import { h } from '../../ui/dom.js';
import { bits, fixed, percent, probability, tokenWord, visible } from '../../ui/format.js';
import { MEASURES, stepOf } from '../../ui/measures.js';
import { svg } from '../../ui/svg.js';
import type { Answer } from './answers.js';

export type Coloring = 'text' | 'surprisal' | 'probability';
const HIGH = 6; // bits: the height of the bars
const BARS = 300;

export class TokenColumn {
  readonly text = h('div', {
    class: 'text',
    tabindex: 0,
    role: 'slider',
    'aria-label': 'tokens',
    'aria-valuemin': 1,
    'aria-valuenow': 1,
  });
  readonly map = svg('svg', { class: 'map', preserveAspectRatio: 'none', role: 'img' });
  private spans: HTMLElement[] = [];
  private answer: Answer | undefined;
  private from = 0;
  private at = -1;

  constructor(private readonly select: (n: number) => void) {
    this.text.addEventListener('click', event => {
      const n = this.spans.indexOf(event.target as HTMLElement);
      if (n >= 0) this.select(this.from + n);
    });
    this.map.addEventListener('click', event => {
      if (this.answer) this.select(indexAt(event, this.map, this.answer.texts.length));
    });
  }

  /** Draw an answer from token `from` on; `parted` is the first token that differs, outlined. */
  show(answer: Answer, from: number, parted: number | undefined, coloring: Coloring): void {
    this.answer = answer;
    this.from = from;
    const pieces: (HTMLElement | string)[] = [];
    this.spans = answer.texts.slice(from).map((text, k) => {
      const n = from + k;
      // The space before a word is never coloured.
      const lead = /^ (?=.)/s.exec(text)?.[0] ?? '';
      const names = [step(coloring, answer.logprobs[n] ?? Number.NaN), n === parted ? 'parted' : ''];
      const span = h('span', { class: names.filter(Boolean).join(' ') }, visible(text.slice(lead.length)));
      pieces.push(lead, span);
      return span;
    });
    if (answer.running) pieces.push(h('i', { class: 'caret', 'aria-hidden': 'true' }));
    this.text.replaceChildren(...pieces);
    this.text.setAttribute('aria-valuemax', String(Math.max(answer.texts.length, 1)));
    this.drawMap(parted);
    this.mark(this.at);
  }

  /** Select a token, and give the words about it. */
  mark(n: number): string {
    const { answer } = this;
    this.spans[this.at - this.from]?.classList.remove('at');
    this.at = n;
    const text = answer?.texts[n];
    if (!answer || text === undefined) return '';
    this.spans[n - this.from]?.classList.add('at');
    const logprob = answer.logprobs[n] ?? Number.NaN;
    const words = `${tokenWord(text)}, ${percent(probability(logprob))}, ${fixed(bits(-logprob), 2)} bits`;
    this.text.setAttribute('aria-valuenow', String(n + 1));
    this.text.setAttribute('aria-valuetext', words);
    return `token ${n + 1}: ${words}`;
  }

  private drawMap(parted: number | undefined): void {
    const { texts, logprobs } = this.answer!;
    const bars = Math.min(texts.length, BARS);
    const wide = 400 / Math.max(bars, 1);
    this.map.setAttribute('viewBox', '0 0 400 36');
    this.map.setAttribute('aria-label', `surprisal of ${texts.length} tokens`);
    const items: SVGElement[] = [];
    for (let bar = 0; bar < bars; bar++) {
      let most = 0;
      for (
        let n = Math.floor((bar * texts.length) / bars);
        n < Math.floor(((bar + 1) * texts.length) / bars);
        n++
      )
        most = Math.max(most, bits(-(logprobs[n] ?? 0)));
      const tall = Math.max((Math.min(most, HIGH) / HIGH) * 28, 0.8);
      const level = stepAt(MEASURES.surprisal.edges, most);
      items.push(
        svg('rect', {
          class: `bar-${level}`,
          x: bar * wide,
          y: 28 - tall,
          width: Math.max(wide - 0.8, 0.4),
          height: tall,
        }),
      );
    }
    if (parted !== undefined) {
      const x = ((parted + 0.5) * 400) / Math.max(texts.length, 1);
      items.push(svg('path', { class: 'here', d: `M${x - 4},36 L${x + 4},36 L${x},30 Z` }));
    }
    this.map.replaceChildren(...items);
  }
}

function step(coloring: Coloring, logprob: number): string {
  if (coloring === 'text' || !Number.isFinite(logprob)) return '';
  const measure = MEASURES[coloring];
  const value = coloring === 'surprisal' ? bits(-logprob) : 100 * probability(logprob);
  const level = stepOf(measure, value);
  return level ? `h${level}` : '';
}
