/** Tokens in one column; or what two paths have in common, and below it both continuations side by side. */

import { h } from '../dom.js';
import type { Token } from '../record.js';
import type { Pointed } from './pointer.js';
import { type Look, TokenText } from './text.js';

export const COLUMNS_STYLE = `
.common{color:var(--llm-fg2)}
.two{display:grid;grid-template-columns:1fr 1fr;gap:20px;margin-top:8px}
.two>div{border-left:2px solid var(--llm-mass-solid);padding-left:12px;min-width:0}
.two>div+div{border-color:var(--llm-heat-solid)}
.two h4{font:11px/16px var(--llm-ui);color:var(--llm-fg2);margin:0 0 4px}
.two h4::first-letter{font-weight:600;color:var(--llm-fg)}
@container (max-width:640px){.two{grid-template-columns:1fr}}`;

export class Columns {
  readonly element = h('div', { class: 'text' });
  private readonly common = new TokenText(this.element);
  private readonly own = new TokenText(this.element);
  private readonly other = new TokenText(this.element);
  private readonly heads = [h('h4'), h('h4')] as const;
  private readonly two = h('div', { class: 'two' });
  private readonly columns = [
    h('div', {}, this.heads[0], this.other.element),
    h('div', {}, this.heads[1]),
  ] as const;
  private fork = 0;

  constructor() {
    this.common.element.classList.add('common');
    this.element.append(this.own.element);
  }

  /** Places from here on are in the branch's own column. */
  get count(): number {
    return this.common.count + this.own.count;
  }

  clear(): void {
    for (const each of [this.common, this.own, this.other]) each.clear();
  }

  /** One column. */
  single(): void {
    this.fork = 0;
    this.element.replaceChildren(this.own.element);
  }

  /** Two, from token `fork` on; `parent` is what the branch turned off from. */
  split(fork: number, heads: [string, string], parent: readonly Token[], look: Look): void {
    this.fork = fork;
    for (const [n, head] of this.heads.entries()) head.textContent = heads[n]!;
    this.columns[1].append(this.own.element);
    this.two.replaceChildren(...this.columns);
    this.element.replaceChildren(this.common.element, this.two);
    this.other.append(parent.slice(fork), later(look, fork), false);
  }

  append(tokens: readonly Token[], look: Look, live: boolean): void {
    const { fork } = this;
    if (fork) this.common.append(tokens.slice(0, fork), look, false);
    this.own.append(fork ? tokens.slice(fork) : tokens, fork ? later(look, fork) : look, live);
  }

  /** What the pointer finds: in the branch with what it shares, or beside it. */
  pointed(beside: boolean): Pointed {
    const { element, common, own, other } = this;
    if (beside)
      return { element: other.element, at: (x, y, target) => plus(other.at(x, y, target), this.fork) };
    return {
      element,
      at: (x, y, target) => {
        if (target instanceof Node && other.element.contains(target)) return null;
        return common.at(x, y, target) ?? plus(own.at(x, y, target), this.fork);
      },
    };
  }

  private pane(place: number, beside: boolean): [TokenText, number] {
    if (beside) return [this.other, place - this.fork];
    return place < this.fork ? [this.common, place] : [this.own, place - this.fork];
  }

  rects(place: number, beside = false): DOMRect[] {
    const [pane, at] = this.pane(place, beside);
    return pane.rects(at);
  }

  reveal(place: number): void {
    const [pane, at] = this.pane(place, false);
    pane.reveal(at);
  }

  mark(place: number | undefined, beside = false): void {
    const [pane, at] = place === undefined ? [undefined, undefined] : this.pane(place, beside);
    for (const each of [this.common, this.own, this.other]) each.mark(each === pane ? at : undefined);
  }

  inView(): [number, number] {
    return this.own.inView();
  }

  scrollTo(place: number): void {
    this.own.scrollTo(place);
  }
}

function later(look: Look, by: number): Look {
  return {
    step: place => look.step(place + by),
    hit: place => look.hit(place + by),
    special: place => look.special(place + by),
  };
}

function plus(place: number | undefined, by: number): number | undefined {
  return place === undefined ? undefined : place + by;
}
