/** What the views of the inside share: choices, sliders, the line below. */

import type { ModelInfo } from '../protocol/record.js';
import { h, icon } from './dom.js';
import { recordDetails } from './recordDetails.js';

/** A few choices, of which one is taken: a radiogroup. */
export class RadioGroup {
  readonly element: HTMLElement;
  private readonly buttons: HTMLButtonElement[];

  constructor(name: string, labels: readonly string[], choose: (n: number) => void) {
    this.buttons = labels.map((label, n) =>
      h(
        'button',
        {
          type: 'button',
          role: 'radio',
          'aria-checked': 'false',
          onclick: () => choose(n),
        },
        label,
      ),
    );
    this.element = h(
      'span',
      {
        class: 'segments',
        role: 'radiogroup',
        'aria-label': name,
        onkeydown: (e: KeyboardEvent) => this.key(e),
      },
      ...this.buttons,
    );
    this.show(0);
  }

  show(chosen: number): void {
    for (const [n, button] of this.buttons.entries()) {
      button.setAttribute('aria-checked', String(n === chosen));
      button.tabIndex = n === chosen ? 0 : -1;
    }
  }

  private key(event: KeyboardEvent): void {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.buttons.indexOf(event.target as HTMLButtonElement);
    const next = this.buttons[(at + by + this.buttons.length) % this.buttons.length]!;
    next.focus();
    next.click();
  }
}

export interface Slider {
  element: HTMLElement;
  set(value: number, label?: string): void;
}

/** A slider with its value; it hears no key that the view takes for itself. */
export function slider(
  name: string,
  range: { min: number; max: number; step: number },
  change: (value: number) => void,
): Slider {
  const input = h('input', { type: 'range', ...range, 'aria-label': name });
  const output = h('output', {});
  input.addEventListener('input', () => change(Number(input.value)));
  input.addEventListener('keydown', event => event.stopPropagation());
  return {
    element: h('label', { class: 'slider' }, name, input, output),
    set(value, label = String(value)) {
      input.value = String(value);
      output.textContent = label;
      input.setAttribute('aria-valuetext', label);
    },
  };
}

/** A list to choose from; `set` fills it. */
export function select(
  name: string,
  choose: (n: number) => void,
): {
  element: HTMLSelectElement;
  set(labels: readonly string[], chosen: number): void;
} {
  const element = h('select', { class: 'field', 'aria-label': name });
  let previous = '';
  element.addEventListener('change', () => choose(element.selectedIndex));
  element.addEventListener('keydown', event => event.stopPropagation());
  return {
    element,
    set(labels, chosen) {
      const now = labels.join('\0');
      if (now !== previous) element.replaceChildren(...labels.map(label => h('option', {}, label)));
      previous = now;
      element.selectedIndex = chosen;
    },
  };
}

/** The last line: what it is, its keys, which model. */
export function footer(
  parts: (HTMLElement | string)[],
  keys: [string, string][],
  model: ModelInfo,
): HTMLElement {
  const dotted = parts.flatMap((part, n) => (n ? [h('span', {}, '·'), part] : [part]));
  const shown = keys.map(([names, what]) =>
    h('span', { class: 'keys' }, ...names.split(' ').map(name => h('kbd', {}, name)), what),
  );
  return h('div', { class: 'foot' }, ...dotted, ...shown, chips(model));
}

export const chips = (model: ModelInfo): HTMLElement =>
  h('span', { class: 'chips' }, ...recordDetails(model));

export const bold = (value: string, after = '', before = ''): HTMLElement =>
  h('span', {}, before, h('b', {}, value), after);

/** The head of a column of a table; an empty one is no head for a screen reader. */
export const columnHead = (name: string): HTMLElement =>
  name ? h('th', { scope: 'col' }, name) : h('td', {});

/** How many of the edges are reached. */
export function stepAt(edges: readonly number[], value: number): number {
  let step = 0;
  while (step < edges.length && value >= edges[step]!) step++;
  return step;
}

export function bar(share: number, chosen = false): HTMLElement {
  const inner = h('i');
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return h('span', { class: `bar${chosen ? ' chosen' : ''}` }, inner);
}

/** What the kernel is doing for a view, and how to stop it. */
export interface KernelWork {
  busy?: string;
  stop?: () => void;
}

/** Show what the kernel is doing for this view, with a button that stops it. */
export function busyLine(host: KernelWork): HTMLElement | string {
  if (!host.busy) return '';
  const stop = h(
    'button',
    { class: 'button', type: 'button', onclick: () => host.stop?.() },
    icon('stop'),
    'Stop',
  );
  return h('div', { class: 'busy', role: 'status' }, host.busy, stop);
}

/** Handles keys of a view; those it takes go no further. */
export function onKeys(element: HTMLElement, keys: Record<string, () => void>): void {
  element.addEventListener('keydown', event => {
    const target = event.composedPath()[0] as HTMLElement | undefined;
    if (target?.closest('input,select,textarea')) return;
    // A button is pressed by its own key.
    if (['Enter', ' '].includes(event.key) && target?.closest('button,a,summary')) return;
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
}

/** A field for a short text, which keeps its keys to itself; Enter acts. */
export function textInput(
  type: 'text' | 'search',
  placeholder: string,
  name: string,
  enter: (event: KeyboardEvent) => void = () => {},
): HTMLInputElement {
  const element = h('input', { class: 'field', type, placeholder, 'aria-label': name });
  element.addEventListener('keydown', event => {
    event.stopPropagation();
    if (event.key === 'Enter') enter(event);
  });
  return element;
}

/** Scroll a box, and nothing around it, so that what is in it can be seen. */
export function reveal(box: HTMLElement, inside: HTMLElement): void {
  if (box.scrollHeight <= box.clientHeight) return;
  const outer = box.getBoundingClientRect();
  const inner = inside.getBoundingClientRect();
  if (inner.top < outer.top) box.scrollTop += inner.top - outer.top - 20;
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom + 20;
}

/** Lets a control be used where a kernel can do what it asks for, and says why it cannot. */
export function needsKernel(
  control: HTMLButtonElement | HTMLInputElement,
  host: { ask?: unknown; busy?: string },
): void {
  control.disabled = !host.ask || !!host.busy;
  control.title = host.ask ? '' : 'needs a running kernel';
}

/** Which of so many things side by side in an element a pointer is at. */
export function indexAt(event: MouseEvent, element: Element, count: number): number {
  const { left, width } = element.getBoundingClientRect();
  return Math.floor(((event.clientX - left) / width) * count);
}
