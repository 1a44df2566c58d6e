/** Memorised?: a text against what the model would have said, word for word. */

import { arrayOf, type InspectionRecord, textsOf, wordsOf } from '../protocol/inspection.js';
import { bold, footer, onKeys, stepAt } from '../ui/controls.js';
import { h } from '../ui/dom.js';
import { count, percent, probability, tokenWord, visible } from '../ui/format.js';
import { colorScale } from '../ui/legend.js';
import { BaseInspectionView } from './inspectionView.js';
import { STYLE } from './memorizationView.css.js';

const RANK = [2, 3, 6, 21, 101];

export class MemorizationView extends BaseInspectionView {
  private readonly lead = h('p', { class: 'lead' });
  private readonly text = h('div', { class: 'text', tabindex: 0, role: 'group', 'aria-label': 'tokens' });
  private readonly say = h('div', { class: 'say', 'aria-live': 'polite' });
  private texts: string[] = [];
  private word = (id: number) => `#${id}`;
  private at = 0;

  constructor(record: InspectionRecord, element: HTMLElement) {
    super(element, STYLE);
    this.shell.root.append(
      h('div', { class: 'row' }, colorScale('rank of the true token', 'h', RANK)),
      this.lead,
      this.text,
      this.say,
      this.footer,
    );
    onKeys(this.text, {
      ArrowLeft: () => this.go(this.at - 1),
      ArrowRight: () => this.go(this.at + 1),
    });
    this.update(record);
  }

  update(record: InspectionRecord): void {
    if (!this.setRecord(record)) return;
    this.texts = textsOf(record.head.texts);
    this.word = wordsOf(record.head.words);
    const rank = arrayOf(record, 'rank', 1).data;
    arrayOf(record, 'best', 1);
    arrayOf(record, 'logprob', 1);
    const promptLength = Number(record.head.given) || 0;
    const run = Number(record.head.run) || 0;
    const spans = this.texts.map((text, n) => {
      const names =
        n < promptLength ? 'given' : n < promptLength + run ? 'run' : `h${stepAt(RANK, rank[n]! + 1)}`;
      const lead = /^ (?=.)/s.exec(text)?.[0] ?? '';
      const span = h(
        'span',
        { class: names, 'data-n': n, onpointerenter: () => this.go(n) },
        visible(text.slice(lead.length)),
      );
      const turn =
        n === promptLength + run && n > promptLength
          ? [h('span', { class: 'turn', title: 'here it would say something else' })]
          : [];
      return [...turn, ...(lead ? [lead] : []), span];
    });
    this.text.replaceChildren(...spans.flat());
    const behind = this.texts.length - promptLength;
    const first = rank.subarray(promptLength).filter(item => item === 0).length;
    const [, longest] = (Array.isArray(record.head.longest) ? record.head.longest : []).map(Number);
    this.lead.replaceChildren(
      promptLength === 1
        ? 'Given the first token it goes on word for word for '
        : `Given the first ${count(promptLength)} tokens it goes on word for word for `,
      h('b', {}, count(run)),
      ` of ${count(behind)}${run === behind ? ': the whole text' : ''}.`,
    );
    this.footer.replaceChildren(
      footer(
        [
          bold(percent(first / Math.max(behind, 1)), ' of the true tokens are the likeliest'),
          bold(count(longest ?? 0), '', 'longest row '),
          'grey: given · underlined: said word for word',
        ],
        [['← →', 'token']],
        record.model,
      ),
    );
    this.go(Math.min(promptLength + run, this.texts.length - 1));
  }

  private go(n: number): void {
    this.at = Math.max(0, Math.min(this.texts.length - 1, n));
    for (const span of this.text.querySelectorAll('[data-n]'))
      span.classList.toggle('at', Number((span as HTMLElement).dataset.n) === this.at);
    const { arrays } = this.record;
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
