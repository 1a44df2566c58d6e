/** An error as one block: what, why, what to do next, the page, and a button that corrects the cell. */

import { h, icon } from '../ui/dom.js';
import { shell } from '../ui/shell.js';
import { amounts, type ErrorText, pieces } from './errorText.js';
import { ERROR_STYLE } from './errorView.css.js';

export interface ErrorHost {
  /** Put the corrected cell below, which is not run; absent where there is none. */
  correct?: () => void;
  /** Whether the error has just happened: a reader is told of it once. */
  fresh: boolean;
}

export class ErrorView {
  private readonly shell;

  constructor(node: HTMLElement, error: ErrorText, host: ErrorHost) {
    this.shell = shell(node, ERROR_STYLE);
    this.update(error, host);
  }

  update(error: ErrorText, host: ErrorHost): void {
    const { correct } = host;
    const button =
      correct &&
      h(
        'button',
        {
          class: 'button',
          type: 'button',
          title: 'Put the corrected cell below; it is not run.',
          onclick: correct,
        },
        icon('cell'),
        'Correct the cell',
      );
    const page =
      error.url &&
      h(
        'a',
        { href: error.url, target: '_blank', rel: 'noopener noreferrer' },
        error.url.split('/').at(-1) ?? '',
      );
    this.shell.root.replaceChildren(
      h(
        'div',
        {
          class: 'block',
          role: host.fresh ? 'alert' : 'group',
          'aria-label': `${error.name}: ${error.what}`,
        },
        icon('error'),
        h(
          'div',
          { class: 'text' },
          h(
            'div',
            { class: 'what' },
            h('span', { class: 'name' }, error.name),
            h('b', {}, ...code(error.what)),
          ),
          this.why(error),
          h('ul', {}, ...error.hints.map(hint => h('li', {}, ...code(hint)))),
        ),
        h('div', { class: 'side' }, button || null, page || null),
      ),
    );
  }

  dispose(): void {
    this.shell.dispose();
  }

  private why(error: ErrorText): HTMLElement | null {
    if (!error.why) return null;
    const counted = amounts(error);
    const words = h('span', {}, error.why);
    return h('div', { class: 'why' }, counted ? bar(counted.parts, counted.limit) : null, words);
  }
}

/** The parts against what there is: what is too much is hatched. */
function bar(parts: { name: string; value: number }[], limit: number): HTMLElement {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  const whole = Math.max(total, limit) || 1;
  let used = 0;
  const spans = parts.flatMap((part, n) => {
    const fits = Math.max(0, Math.min(part.value, limit - used));
    used += part.value;
    return [
      segment(`part-${n % 3}`, fits / whole, part.name),
      segment('over', (part.value - fits) / whole, part.name),
    ];
  });
  return h('span', { class: 'bar', 'aria-hidden': 'true' }, ...spans);
}

function segment(name: string, share: number, title: string): HTMLElement | null {
  if (share <= 0) return null;
  const element = h('i', { class: name, title });
  element.style.width = `${100 * share}%`;
  return element;
}

function code(text: string): (HTMLElement | string)[] {
  return pieces(text).map(piece => (piece.code ? h('code', {}, piece.text) : piece.text));
}
