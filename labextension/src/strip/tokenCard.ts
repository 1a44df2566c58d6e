/** What the model weighed at one place: the token, the alternatives as bars, and the rest. */

import type { GenerationRecord } from '../protocol/record.js';
import type { Alternative, Token } from '../protocol/token.js';
import { h } from '../ui/dom.js';
import { bits, count, fixed, percent, probability, tokenWord } from '../ui/format.js';
import { amongAllowed, rankWords } from '../ui/measures.js';

export interface CardActions {
  /** Go on from another token; absent where there is no kernel. */
  branch?: (place: number, token: number | string) => void;
}

export class TokenCard {
  readonly element = h('div', { class: 'card', role: 'dialog', popover: 'manual', hidden: true });
  pinned = false;
  private rows: { element: HTMLElement; other: Alternative }[] = [];
  private chosen = -1;
  private place = 0;
  private actions: CardActions = {};

  get open(): boolean {
    return !this.element.hidden;
  }

  show(
    record: GenerationRecord,
    tokens: readonly Token[],
    place: number,
    anchor: DOMRect,
    actions: CardActions,
  ): void {
    const token = tokens[place]!;
    const { element } = this;
    this.place = place;
    this.actions = actions;
    element.setAttribute('aria-label', `Token ${place + 1}: ${tokenWord(token.text)}`);
    element.replaceChildren(
      h(
        'div',
        { class: 'cap' },
        h('b', {}, tokenWord(token.text)),
        h('span', {}, `id ${count(token.id)}`),
        this.hex(record, token),
      ),
      ...(place < record.predicted_from
        ? [h('p', {}, 'This is the first token; there is no prediction for it.')]
        : this.numbers(record, tokens, place)),
      this.footer(),
    );
    element.hidden = false;
    element.showPopover?.();
    this.put(anchor);
  }

  hide(): void {
    if (!this.open) return;
    this.pinned = false;
    this.element.hidden = true;
    this.element.hidePopover?.();
  }

  private hex(record: GenerationRecord, token: Token): HTMLElement {
    const data =
      record.pieces.get(token.id) ??
      (token.text.includes('\ufffd') ? undefined : new TextEncoder().encode(token.text));
    const text = data?.length ? [...data].map(byte => byte.toString(16).padStart(2, '0')).join(' ') : '–';
    return h('span', { class: 'hex', title: text }, text);
  }

  private numbers(record: GenerationRecord, tokens: readonly Token[], place: number): HTMLElement[] {
    const token = tokens[place]!;
    const pair = (name: string, value: string) => h('div', {}, h('dt', {}, name), h('dd', {}, value));
    const waited = token.time - (tokens[place - 1]?.time ?? 0);
    return [
      h(
        'dl',
        {},
        ...(token.allowed === undefined
          ? [
              pair('probability', percent(probability(token.logprob))),
              pair('surprisal', `${fixed(bits(-token.logprob), 2)} bits`),
            ]
          : [
              pair(
                'of what is allowed',
                token.allowed === 1 ? 'forced' : percent(probability(amongAllowed(token))),
              ),
              pair('before the schema', percent(probability(token.logprob))),
            ]),
        pair('rank', rankWords(token, record.missing).replace('rank ', '')),
        ...(record.missing.includes('entropy')
          ? []
          : [pair('entropy', `${fixed(bits(token.entropy), 2)} bits`)]),
      ),
      h(
        'p',
        {},
        `logprob ${fixed(token.logprob, 3)} nats · token ${count(place + 1)} of ${count(tokens.length)}` +
          (token.time > 0 ? ` · ${fixed(1000 * waited, 0)} ms` : ''),
      ),
      ...forbidden(token),
      ...this.others(record, token),
    ];
  }

  private others(record: GenerationRecord, token: Token): HTMLElement[] {
    const own: Alternative = { id: token.id, text: token.text, logprob: token.logprob };
    const shown = token.alternatives.some(other => other.id === token.id)
      ? token.alternatives
      : [...token.alternatives, own];
    this.rows = [];
    this.chosen = -1;
    if (!token.alternatives.length)
      return [
        h(
          'p',
          {},
          'The record keeps no alternatives. Run with ',
          h('code', {}, '--alternatives 10'),
          ' to see them here.',
        ),
        ...this.typing(),
      ];
    const sum = shown.reduce((all, other) => all + probability(other.logprob), 0);
    const rest = Math.max(0, 1 - sum);
    // One scale for all bars, that of what is left too.
    const most = Math.max(...shown.map(other => probability(other.logprob)), rest, 1e-9);
    const list = h('ul', { role: 'listbox', 'aria-label': 'Alternatives' });
    for (const other of shown) {
      const p = probability(other.logprob);
      const is = other.id === token.id;
      const can = !is && !other.banned && !!this.actions.branch;
      const bar = h('i');
      bar.style.width = `${(100 * p) / most}%`;
      const element = h(
        'li',
        {
          role: 'option',
          class: [is ? 'chosen' : can ? 'can' : '', other.banned ? 'banned' : ''].filter(Boolean).join(' '),
          'aria-selected': 'false',
          'aria-label': `${tokenWord(other.text)}, ${percent(p)}${is ? ', chosen' : ''}${other.banned ? ', forbidden' : ''}`,
          title: can ? 'Go on from here' : undefined,
          onclick: () => can && this.actions.branch?.(this.place, other.id),
        },
        h('code', {}, tokenWord(is && other.text === '' ? token.text : other.text)),
        h('span', { class: 'bar' }, bar),
        h('span', { class: 'p' }, percent(p)),
      );
      this.rows.push({ element, other });
      list.append(element);
    }
    const stripes = h('i', { class: 'hatched' });
    stripes.style.width = `${Math.min(100, (100 * rest) / most)}%`;
    const others = record.vocab_size ? `${count(record.vocab_size - shown.length)} others` : 'all others';
    // No alternative that can be chosen: it stands below the list.
    const last = h(
      'div',
      { class: 'rest' },
      h('code', {}, others),
      h('span', { class: 'bar' }, stripes),
      h('span', { class: 'p' }, percent(rest)),
    );
    return [h('div', { class: 'others' }, list, last), ...this.typing()];
  }

  /** One may also go on from what the model did not think of. */
  private typing(): HTMLElement[] {
    const { branch } = this.actions;
    if (!branch || !this.pinned) return [];
    const input = h('input', {
      type: 'text',
      class: 'field',
      placeholder: 'or go on with other words',
      'aria-label': 'Go on with other words',
    });
    const submit = (event: Event) => {
      event.preventDefault();
      if (input.value) branch(this.place, input.value);
    };
    return [h('form', { onsubmit: submit }, input)];
  }

  private footer(): HTMLElement {
    const key = (name: string, what: string) => h('span', {}, h('kbd', {}, name), what);
    if (!this.actions.branch)
      return h(
        'div',
        { class: 'keys' },
        key('← →', 'step'),
        key('P', 'pin'),
        key('Esc', 'close'),
        'Branching needs a running kernel.',
      );
    return h(
      'div',
      { class: 'keys' },
      key('⏎', 'branch'),
      key('← →', 'step'),
      key('P', 'pin'),
      key('Esc', 'close'),
    );
  }

  /** Choose the alternative above or below. */
  step(by: number): void {
    if (!this.rows.length) return;
    this.chosen =
      (this.chosen + by + this.rows.length + (this.chosen < 0 && by < 0 ? 1 : 0)) % this.rows.length;
    for (const [n, row] of this.rows.entries())
      row.element.setAttribute('aria-selected', String(n === this.chosen));
  }

  /** What was chosen with the keys. */
  get selected(): Alternative | undefined {
    return this.rows[this.chosen]?.other;
  }

  /** Below the token, left edges aligned; above it or shifted where there is no room. */
  private put(anchor: DOMRect): void {
    const { element } = this;
    const { offsetWidth: width, offsetHeight: height } = element;
    const left = Math.max(8, Math.min(anchor.left - 12, innerWidth - width - 8));
    const below = anchor.bottom + 8;
    const fits = below + height <= innerHeight - 8;
    const top = fits
      ? below
      : anchor.top - 8 - height >= 8
        ? anchor.top - 8 - height
        : Math.max(8, innerHeight - height - 8);
    element.style.left = `${left}px`;
    element.style.top = `${top}px`;
  }
}

/** What the grammar of the answer forbade at a token. */
function forbidden(token: Token): HTMLElement[] {
  if (token.log_allowed === undefined || token.allowed === undefined) return [];
  const share = percent(Math.max(0, 1 - probability(token.log_allowed)));
  const left = token.allowed === 1 ? '1 token' : `${count(token.allowed)} tokens`;
  return [h('p', {}, `${left} allowed here · forbidden by the schema `, h('b', {}, share))];
}
