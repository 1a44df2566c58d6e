/** Tokens in one column; or what two paths have in common, and below it both continuations side by side. */

import type { Token } from '../protocol/token.js';
import { h } from '../ui/dom.js';
import type { Pointed } from './hover.js';
import { type TokenStyle, TokenText } from './tokenText.js';

export class SplitText {
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
    for (const item of [this.common, this.own, this.other]) item.clear();
  }

  /** One column. */
  single(): void {
    this.fork = 0;
    this.element.replaceChildren(this.own.element);
  }

  /** Two, from token `fork` on; `parent` is what the branch turned off from. */
  split(fork: number, heads: [string, string], parent: readonly Token[], style: TokenStyle): void {
    this.fork = fork;
    for (const [n, head] of this.heads.entries()) head.textContent = heads[n]!;
    this.columns[1].append(this.own.element);
    this.two.replaceChildren(...this.columns);
    this.element.replaceChildren(this.common.element, this.two);
    this.other.append(parent.slice(fork), later(style, fork), false);
  }

  append(tokens: readonly Token[], style: TokenStyle, live: boolean): void {
    const { fork } = this;
    if (fork) this.common.append(tokens.slice(0, fork), style, false);
    this.own.append(fork ? tokens.slice(fork) : tokens, fork ? later(style, fork) : style, live);
  }

  /** What the pointer finds: in the branch with what it shares, or next to it. */
  pointed(inParent: boolean): Pointed {
    const { element, common, own, other } = this;
    if (inParent)
      return { element: other.element, at: (x, y, target) => plus(other.at(x, y, target), this.fork) };
    return {
      element,
      at: (x, y, target) => {
        if (target instanceof Node && other.element.contains(target)) return null;
        return common.at(x, y, target) ?? plus(own.at(x, y, target), this.fork);
      },
    };
  }

  private pane(place: number, inParent: boolean): [TokenText, number] {
    if (inParent) return [this.other, place - this.fork];
    return place < this.fork ? [this.common, place] : [this.own, place - this.fork];
  }

  rects(place: number, inParent = false): DOMRect[] {
    const [pane, at] = this.pane(place, inParent);
    return pane.rects(at);
  }

  reveal(place: number): void {
    const [pane, at] = this.pane(place, false);
    pane.reveal(at);
  }

  mark(place: number | undefined, inParent = false): void {
    const [pane, at] = place === undefined ? [undefined, undefined] : this.pane(place, inParent);
    for (const item of [this.common, this.own, this.other]) item.mark(item === pane ? at : undefined);
  }

  inView(): [number, number] {
    return this.own.inView();
  }

  scrollTo(place: number): void {
    this.own.scrollTo(place);
  }
}

function later(style: TokenStyle, by: number): TokenStyle {
  return {
    step: place => style.step(place + by),
    hit: place => style.hit(place + by),
    forced: place => style.forced?.(place + by),
    special: place => style.special(place + by),
  };
}

function plus(place: number | undefined, by: number): number | undefined {
  return place === undefined ? undefined : place + by;
}
