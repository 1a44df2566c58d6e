/** What the views of the inside share: choices, sliders, the line below. */

import { h, icon } from '../../dom.js';
import type { LookHost } from '../../inside.js';
import type { ModelInfo } from '../../record.js';
import { ABOUT_STYLE, about } from '../about.js';

export const PARTS_STYLE = `${ABOUT_STYLE}
.foot{display:flex;flex-wrap:wrap;gap:6px 8px;align-items:center;margin:10px 0 4px;padding-top:8px;border-top:1px solid var(--llm-line);color:var(--llm-fg2)}
.foot b{color:var(--llm-fg);font-weight:600}.foot .chips{margin-left:auto;display:flex;gap:6px}
.tag{border:1px solid var(--llm-line2);border-radius:10px;padding:1px 8px;max-width:22em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.keys{white-space:nowrap}kbd{font:10px/14px var(--llm-ui);border:1px solid var(--llm-line2);border-radius:3px;padding:0 4px;margin-right:3px;background:none;color:inherit;box-shadow:none}
code,.mono{font-family:var(--llm-code);background:none;color:inherit;padding:0}
.say{font-size:13px;color:var(--llm-fg2);min-height:18px}.say code,.say b{color:var(--llm-fg)}
.legend{display:inline-flex;flex-wrap:wrap;gap:0 8px;font-size:11px;color:var(--llm-fg2);min-height:28px}.legend .swatches{display:flex}
.legend i{display:block;width:30px;height:12px;box-sizing:border-box;position:relative;font-style:normal}
.legend i[data-n]::before{content:attr(data-n);position:absolute;left:-15px;width:30px;top:13px;text-align:center;line-height:13px}
.swatches.wide i{width:42px}.swatches.wide i[data-n]::before{left:-21px;width:42px}
.none{border:1px solid var(--llm-line2)}
.m1{background:var(--llm-mass-1)}.m2{background:var(--llm-mass-2)}.m3{background:var(--llm-mass-3)}.m4{background:var(--llm-mass-4)}.m5{background:var(--llm-mass-5)}
.h1{background:var(--llm-heat-1)}.h2{background:var(--llm-heat-2)}.h3{background:var(--llm-heat-3)}.h4{background:var(--llm-heat-4)}.h5{background:var(--llm-heat-5)}
:is(.m1,.m2,.m3,.m4,.m5,.h1,.h2,.h3,.h4,.h5){color:var(--llm-on)}
.h3{box-shadow:inset 0 -1px var(--llm-heat-line)}.h4{box-shadow:inset 0 -2px var(--llm-heat-line)}.h5{box-shadow:inset 0 -3px var(--llm-heat-line)}
.slider{display:inline-flex;gap:10px;align-items:center;font-size:12px}.slider input{accent-color:var(--llm-mass-solid);min-width:90px}.slider output{min-width:3.2em;font-weight:600}
.needs{color:var(--llm-fg2);font-size:11px}
.busy{display:flex;gap:8px;align-items:center;color:var(--llm-fg2);margin:4px 0}
.busy::before{content:"";width:44px;height:3px;background:linear-gradient(90deg,var(--llm-mass-solid) 50%,var(--llm-track) 50%)}
.bar{display:block;height:8px;background:var(--llm-track);border-radius:1px}.bar i{display:block;height:100%;background:var(--llm-mass-4);border-radius:1px}
.bar.chosen i{background:var(--llm-heat-solid)}
.hatched{background:var(--llm-hatched)}
@media print{.slider,.keys{display:none!important}}`;

/** A few choices, of which one is taken: a radiogroup. */
export class Choice {
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

export interface Slide {
  element: HTMLElement;
  set(value: number, label?: string): void;
}

/** A slider with its value; it hears no key that the view takes for itself. */
export function slider(
  name: string,
  range: { min: number; max: number; step: number },
  change: (value: number) => void,
): Slide {
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
export function picker(
  name: string,
  choose: (n: number) => void,
): {
  element: HTMLSelectElement;
  set(labels: readonly string[], chosen: number): void;
} {
  const element = h('select', { class: 'field', 'aria-label': name });
  let had = '';
  element.addEventListener('change', () => choose(element.selectedIndex));
  element.addEventListener('keydown', event => event.stopPropagation());
  return {
    element,
    set(labels, chosen) {
      const now = labels.join('\0');
      if (now !== had) element.replaceChildren(...labels.map(label => h('option', {}, label)));
      had = now;
      element.selectedIndex = chosen;
    },
  };
}

/** The last line: what it is, its keys, which model. */
export function foot(
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

export const chips = (model: ModelInfo): HTMLElement => h('span', { class: 'chips' }, ...about(model));

export const bold = (value: string, after = '', before = ''): HTMLElement =>
  h('span', {}, before, h('b', {}, value), after);

/** Where steps begin, as swatches with their numbers. */
export function swatches(unit: string, letter: 'm' | 'h', edges: readonly (number | string)[]): HTMLElement {
  const all = [
    h('i', { class: 'none' }),
    ...edges.map((edge, n) => h('i', { class: `${letter}${n + 1}`, 'data-n': edge })),
  ];
  return h(
    'span',
    { class: 'legend', role: 'img', 'aria-label': `${unit}: steps at ${edges.join(', ')}` },
    unit,
    h('span', { class: 'swatches' }, ...all),
  );
}

/** How many of the edges are reached. */
export function stepAt(edges: readonly number[], value: number): number {
  let step = 0;
  while (step < edges.length && value >= edges[step]!) step++;
  return step;
}

export function barOf(share: number, chosen = false): HTMLElement {
  const inner = h('i');
  inner.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return h('span', { class: `bar${chosen ? ' chosen' : ''}` }, inner);
}

/** What the kernel is doing for this view, with a way to end it. */
export function busyLine(host: LookHost): HTMLElement | string {
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
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
}

/** A field for a short text, which keeps its keys to itself; Enter acts. */
export function field(
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
export function needsKernel(control: HTMLButtonElement | HTMLInputElement, host: LookHost): void {
  control.disabled = !host.ask || !!host.busy;
  control.title = host.ask ? '' : 'needs a running kernel';
}

/** Which of so many things side by side in an element a pointer is at. */
export function placeAt(event: MouseEvent, element: Element, count: number): number {
  const { left, width } = element.getBoundingClientRect();
  return Math.floor(((event.clientX - left) / width) * count);
}
