/** Search in the conversation: Enter goes from one turn with the words to the next. */

import type { PlaygroundTurn } from '../protocol/playground.js';
import { h } from '../ui/dom.js';

/** The numbers of the turns whose prompt or answer has the words. */
export function matches(
  turns: readonly Pick<PlaygroundTurn, 'asked'>[],
  answers: readonly string[],
  words: string,
): number[] {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return [];
  return turns.flatMap((turn, n) =>
    `${turn.asked}\n${answers[n] ?? ''}`.toLowerCase().includes(wanted) ? [n] : [],
  );
}

export class ConversationSearch {
  readonly element: HTMLElement;
  private readonly field = h('input', {
    class: 'field',
    type: 'search',
    placeholder: 'Find in the conversation',
    'aria-label': 'Find in the conversation',
  });
  private readonly count = h('span', { class: 'fg2', role: 'status' });
  private at = -1;

  constructor(
    private readonly find: (words: string) => number[],
    private readonly show: (turn: number | undefined) => void,
  ) {
    this.field.addEventListener('input', () => this.go(0, true));
    this.field.addEventListener('keydown', event => {
      if (event.key === 'Enter') this.go(event.shiftKey ? -1 : 1);
      else if (event.key === 'Escape' && this.field.value) {
        this.field.value = '';
        this.go(0, true);
        event.stopPropagation();
      } else return;
      event.preventDefault();
    });
    this.element = h('span', { class: 'find-turn' }, this.field, this.count);
  }

  private go(by: number, afresh = false): void {
    const turns = this.find(this.field.value);
    if (afresh) this.at = turns.length ? 0 : -1;
    else if (turns.length) this.at = (this.at + by + turns.length) % turns.length;
    this.count.textContent = this.field.value.trim()
      ? turns.length
        ? `${this.at + 1} of ${turns.length}`
        : 'none'
      : '';
    this.show(turns[this.at]);
  }
}
