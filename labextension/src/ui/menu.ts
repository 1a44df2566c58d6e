/** A button that opens a menu: it closes by Esc, by a press anywhere else, and when the focus leaves it. */

import { h, icon } from './dom.js';

/** What it is called, what it does, and whether it can be done now. */
export type MenuItem = [name: string, act: () => void, can?: () => boolean];

export class Menu {
  readonly element: HTMLElement;
  private readonly list = h('ul', { role: 'menu', hidden: true });
  private readonly button: HTMLButtonElement;
  private readonly items: [HTMLElement, MenuItem][];
  private readonly outside = (event: Event) => {
    if (!event.composedPath().includes(this.element)) this.close();
  };

  constructor(items: readonly MenuItem[]) {
    this.button = h(
      'button',
      {
        class: 'button plain',
        type: 'button',
        'aria-label': 'More',
        'aria-haspopup': 'menu',
        'aria-expanded': 'false',
        onclick: () => (this.list.hidden ? this.open(0) : this.close()),
        onkeydown: (event: KeyboardEvent) => this.buttonKey(event),
      },
      icon('more'),
    );
    this.items = items.map(item => [
      h('li', { role: 'menuitem', tabindex: -1, onclick: () => this.run(item) }, item[0]),
      item,
    ]);
    this.list.append(...this.items.map(([element]) => element));
    this.list.addEventListener('keydown', event => this.key(event));
    this.element = h('span', { class: 'menu' }, this.button, this.list);
    this.element.addEventListener('focusout', event => {
      // A press on nothing gives no target: `outside` hears of it.
      const to = event.relatedTarget;
      if (to instanceof Node && !this.element.contains(to)) this.close();
    });
  }

  private get shown(): HTMLElement[] {
    return this.items.map(([element]) => element).filter(element => !element.hidden);
  }

  private open(focused: number): void {
    for (const [element, [, , can]] of this.items) element.hidden = !!can && !can();
    this.list.hidden = false;
    this.button.setAttribute('aria-expanded', 'true');
    document.addEventListener('pointerdown', this.outside, { capture: true });
    this.shown.at(focused)?.focus({ preventScroll: true });
  }

  close(): void {
    this.list.hidden = true;
    this.button.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', this.outside, { capture: true });
  }

  private run([, act]: MenuItem): void {
    this.close();
    this.button.focus({ preventScroll: true });
    act();
  }

  private buttonKey(event: KeyboardEvent): void {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    event.stopPropagation();
    this.open(event.key === 'ArrowDown' ? 0 : -1);
  }

  private key(event: KeyboardEvent): void {
    const { shown } = this;
    const at = shown.indexOf(event.target as HTMLElement);
    const to = (n: number) => shown.at(n % shown.length)?.focus();
    const letter = event.key.length === 1 ? event.key.toLowerCase() : undefined;
    const keys: Record<string, () => void> = {
      ArrowDown: () => to(at + 1),
      ArrowUp: () => to(at - 1),
      Home: () => to(0),
      End: () => to(-1),
      Enter: () => shown[at]?.click(),
      ' ': () => shown[at]?.click(),
      Escape: () => {
        this.close();
        this.button.focus();
      },
    };
    if (event.key === 'Tab') return this.close();
    const next = shown.findIndex(
      (item, n) => n > at && item.textContent?.toLowerCase().startsWith(letter ?? '\n'),
    );
    const act = keys[event.key] ?? (letter && next >= 0 ? () => to(next) : undefined);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}
