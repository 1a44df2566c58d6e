/** Memorised?: a text against what the model would have said, word for word. */

import { h } from '../../dom.js';
import { count, percent, probability, tokenWord, visible } from '../../format.js';
import { type Look, numbers, textsOf, wordsOf } from '../../inside.js';
import { bold, foot, onKeys, stepAt, swatches } from './parts.js';
import { InsideView } from './view.js';

const RANK = [2, 3, 6, 21, 101];
const STYLE = `
.text{font:15px/29px var(--llm-text);max-width:41em;max-height:60vh;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}
.text span{border-radius:2px;cursor:default}.text .given{color:var(--llm-fg2)}.text .run{box-shadow:inset 0 -2px var(--llm-mass-solid)}.text .at{outline:2px solid var(--llm-accent);outline-offset:1px}
.text .turn{border-left:2px solid var(--llm-heat-solid);margin:0 1px}.lead{font-size:15px}`;

export class MemoryView extends InsideView {
  private readonly lead = h('p', { class: 'lead' });
  private readonly text = h('div', { class: 'text', tabindex: 0, role: 'group', 'aria-label': 'tokens' });
  private readonly say = h('div', { class: 'say', 'aria-live': 'polite' });
  private texts: string[] = [];
  private word = (id: number) => `#${id}`;
  private at = 0;

  constructor(look: Look, element: HTMLElement) {
    super(element, STYLE);
    this.shell.root.append(
      h('div', { class: 'row' }, swatches('rank of the true token', 'h', RANK)),
      this.lead,
      this.text,
      this.say,
      this.end,
    );
    onKeys(this.text, {
      ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.go(this.at + 1),
    });
    this.update(look);
  }

  update(look: Look): void {
    if (!this.take(look)) return;
    this.texts = textsOf(look.head.texts);
    this.word = wordsOf(look.head.words);
    const rank = numbers(look, 'rank', 1).data;
    numbers(look, 'best', 1);
    numbers(look, 'logprob', 1);
    const given = Number(look.head.given) || 0;
    const run = Number(look.head.run) || 0;
    const spans = this.texts.map((text, n) => {
      const names = n < given ? 'given' : n < given + run ? 'run' : `h${stepAt(RANK, rank[n]! + 1)}`;
      const lead = /^ (?=.)/s.exec(text)?.[0] ?? '';
      const span = h(
        'span',
        { class: names, 'data-n': n, onpointerenter: () => this.go(n) },
        visible(text.slice(lead.length)),
      );
      const turn =
        n === given + run && n > given
          ? [h('span', { class: 'turn', title: 'here it would say something else' })]
          : [];
      return [...turn, ...(lead ? [lead] : []), span];
    });
    this.text.replaceChildren(...spans.flat());
    const behind = this.texts.length - given;
    const first = rank.subarray(given).filter(each => each === 0).length;
    const [, longest] = (Array.isArray(look.head.longest) ? look.head.longest : []).map(Number);
    this.lead.replaceChildren(
      given === 1
        ? 'Given the first token it goes on word for word for '
        : `Given the first ${count(given)} tokens it goes on word for word for `,
      h('b', {}, count(run)),
      ` of ${count(behind)}${run === behind ? ': the whole text' : ''}.`,
    );
    this.end.replaceChildren(
      foot(
        [
          bold(percent(first / Math.max(behind, 1)), ' of the true tokens are the likeliest'),
          bold(count(longest ?? 0), '', 'longest row '),
          'grey: given · underlined: said word for word',
        ],
        [['← →', 'token']],
        look.model,
      ),
    );
    this.go(Math.min(given + run, this.texts.length - 1));
  }

  private go(n: number): void {
    this.at = Math.max(0, Math.min(this.texts.length - 1, n));
    for (const span of this.text.querySelectorAll('[data-n]'))
      span.classList.toggle('at', Number((span as HTMLElement).dataset.n) === this.at);
    const { arrays } = this.look;
    const p = probability(arrays.get('logprob')!.data[this.at]!);
    const best = arrays.get('best')!.data[this.at]!;
    const rank = arrays.get('rank')!.data[this.at]!;
    const code = (text: string) => h('code', {}, tokenWord(text));
    const rest = rank ? [', where it would say ', h('b', {}, code(this.word(best)))] : [', the likeliest'];
    this.say.replaceChildren(
      code(this.texts[this.at] ?? ''),
      ` (${this.at + 1}): ${percent(p)}, rank ${count(rank + 1)}`,
      ...(Number.isFinite(p) ? rest : []),
    );
  }
}
