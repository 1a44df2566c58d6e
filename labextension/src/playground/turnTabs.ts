/** The tabs of an answer: its tokens, inspections of it, and the record as JSON. */

import type { RecordPayload } from '../protocol/record.js';
import { copy, h } from '../ui/dom.js';
import type { Inspector } from './host.js';

const TABS = ['Tokens', 'Inspect', 'JSON'] as const;
/** The inspections of an answer that need nothing else. */
export const INSPECTIONS: [view: string, label: string][] = [
  ['causes', 'Attribution'],
  ['lens', 'Logit lens'],
  ['attention', 'Attention'],
  ['replay', 'Replay sampling'],
  ['tokenizers', 'Tokenizer'],
];

export class TurnTabs {
  readonly bar: HTMLElement;
  readonly panel = h('div', { class: 'tab-panel', role: 'tabpanel', hidden: true });
  private readonly buttons: HTMLButtonElement[];
  private chosen = 0;
  private inspector: Inspector | undefined;
  private payload: RecordPayload | undefined;
  private path = 0;

  /** @param tokens the element with the strip. */
  constructor(
    private readonly tokens: HTMLElement,
    private readonly inspectors: (() => Inspector) | undefined,
  ) {
    this.buttons = TABS.map((label, n) =>
      h('button', { type: 'button', role: 'tab', onclick: () => this.choose(n) }, label),
    );
    this.buttons[1]!.hidden = !inspectors;
    this.bar = h(
      'div',
      {
        class: 'tabs',
        role: 'tablist',
        'aria-label': 'What is shown of the answer',
        onkeydown: (event: KeyboardEvent) => this.key(event),
      },
      ...this.buttons,
    );
    this.choose(0);
  }

  /** The record of the answer as the notebook keeps it; undefined while it is being generated. */
  show(payload: RecordPayload | undefined, path: number): void {
    this.bar.hidden = !payload;
    const same = payload === this.payload && path === this.path;
    this.payload = payload;
    this.path = path;
    if (!payload) this.choose(0);
    else if (!same) this.choose(this.chosen);
  }

  dispose(): void {
    this.inspector?.dispose();
  }

  private choose(n: number): void {
    this.chosen = n;
    for (const [at, button] of this.buttons.entries()) {
      button.setAttribute('aria-selected', String(at === n));
      button.tabIndex = at === n ? 0 : -1;
    }
    this.tokens.hidden = n !== 0;
    this.panel.hidden = n === 0;
    this.inspector?.dispose();
    this.inspector = undefined;
    this.panel.replaceChildren(...(n === 1 ? this.inspections() : n === 2 ? this.json() : []));
  }

  private inspections(): Node[] {
    const inspector = this.inspectors?.();
    if (!inspector) return [];
    this.inspector = inspector;
    const buttons = INSPECTIONS.map(([view, label]) =>
      h(
        'button',
        {
          class: 'button',
          type: 'button',
          onclick: () => inspector.open(this.payload, view, this.path),
        },
        label,
      ),
    );
    return [h('div', { class: 'row' }, ...buttons), inspector.node];
  }

  private json(): Node[] {
    const text = JSON.stringify(this.payload, undefined, 2) ?? '';
    const button = h('button', { class: 'button', type: 'button', onclick: () => copy(text) }, 'Copy');
    return [
      h('div', { class: 'row' }, button),
      h('pre', { tabindex: 0, 'aria-label': 'The record as JSON' }, text),
    ];
  }

  private key(event: KeyboardEvent): void {
    const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    const shown = this.buttons.filter(button => !button.hidden);
    const at = shown.indexOf(event.target as HTMLButtonElement);
    const next = shown[(at + by + shown.length) % shown.length]!;
    next.focus();
    next.click();
  }
}
