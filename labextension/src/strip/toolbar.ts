/** The one row above the tokens: the measure, its legend, the search, and a menu. */

import type { TokenField } from '../protocol/record.js';
import { h, icon } from '../ui/dom.js';
import { legend } from '../ui/legend.js';
import { hasMode, MEASURES, MODES, type Mode } from '../ui/measures.js';
import { Menu, type MenuItem } from '../ui/menu.js';

export interface ToolbarActions {
  mode(mode: Mode): void;
  search(query: string): void;
  next(by: number): void;
  /** Away from the search. */
  leave(): void;
  menu: readonly MenuItem[];
}

export class Toolbar {
  readonly element: HTMLElement;
  private readonly segments: Segments;
  private readonly legendBox = h('span', { class: 'legend-box' });
  private readonly field = h('input', {
    class: 'field',
    type: 'search',
    placeholder: 'Find, or < 10 %',
    'aria-label': 'Find words, or a threshold such as < 10 %',
  });
  private readonly of = h('span', { class: 'of', 'aria-live': 'polite' });

  constructor(private readonly actions: ToolbarActions) {
    this.segments = new Segments(mode => actions.mode(mode));
    const search = h('span', { class: 'find' }, icon('search'), this.field, this.of);
    const right = h('span', { class: 'right' }, search, new Menu(actions.menu).element);
    this.element = h('div', { class: 'row' }, this.segments.element, this.legendBox, right);
    this.field.addEventListener('input', () => actions.search(this.query));
    this.field.addEventListener('keydown', event => this.key(event));
  }

  get query(): string {
    return this.field.value.trim();
  }

  show(mode: Mode, missing: readonly TokenField[] = []): void {
    this.segments.show(mode, missing);
    this.legendBox.replaceChildren(...(mode === 'text' ? [] : [legend(MEASURES[mode])]));
  }

  /** What became of the search. */
  setStatus(text: string): void {
    this.of.textContent = text;
  }

  focus(): void {
    this.field.focus();
  }

  private key(event: KeyboardEvent): void {
    if (event.key === 'Enter') this.actions.next(event.shiftKey ? -1 : 1);
    else if (event.key === 'Escape') {
      this.field.value = '';
      this.actions.search('');
      this.actions.leave();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** The choice of a measure. */
export class Segments {
  readonly element: HTMLElement;

  constructor(choose: (mode: Mode) => void) {
    const button = (mode: Mode, n: number) => {
      const label = mode === 'text' ? 'Text' : MEASURES[mode].label;
      return h(
        'button',
        {
          type: 'button',
          role: 'radio',
          tabindex: -1,
          'aria-checked': 'false',
          title: `${label} (${n + 1})`,
          onclick: () => choose(mode),
        },
        label,
      );
    };
    this.element = h(
      'div',
      { class: 'segments', role: 'radiogroup', 'aria-label': 'What colour shows' },
      ...MODES.map(button),
    );
  }

  show(mode: Mode, missing: readonly TokenField[] = []): void {
    for (const [n, button] of [...this.element.children].entries()) {
      (button as HTMLElement).hidden = !hasMode(MODES[n]!, missing);
      button.setAttribute('aria-checked', String(MODES[n] === mode));
      // The minimap is the tab stop; as text there is none.
      (button as HTMLElement).tabIndex = mode === 'text' && n === 0 ? 0 : -1;
    }
  }
}
