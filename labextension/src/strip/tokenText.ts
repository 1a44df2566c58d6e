/** Tokens as text: one that is expected is plain text and has no element of its own. */

import type { GenerationRecord } from '../protocol/record.js';
import type { Token } from '../protocol/token.js';
import { h } from '../ui/dom.js';
import { specialWord, visible } from '../ui/format.js';

/** How a token is to look. */
export interface TokenStyle {
  /** 0–5 */
  step(place: number): number;
  hit(place: number): boolean;
  /** Whether a grammar left no choice: `against` where the model would hardly have written it. */
  forced?(place: number): 'forced' | 'against' | undefined;
  /** How a special token is written; undefined for any other one. */
  special(place: number): string | undefined;
}

/** Where the letters of a token are. */
type Spot = { node: Node; start: number; end: number };

const PARAGRAPH = 40; // tokens; a shorter one is joined with the next
const MOST_BOXES = 3;

export class TokenText {
  readonly element = h('div', { class: 'pane' });
  private spots: Spot[] = [];
  private paragraphs: { element: HTMLElement; first: number }[] = [];
  private line = '';
  private fenced = false;
  private readonly caret = h('span', { class: 'caret', 'aria-hidden': true });
  private readonly boxes: HTMLElement[] = [];

  /** `view` is what scrolls. */
  constructor(private readonly view: HTMLElement | undefined = undefined) {}

  /** How many tokens are shown. */
  get count(): number {
    return this.spots.length;
  }

  clear(): void {
    for (const paragraph of this.paragraphs) paragraph.element.remove();
    this.spots = [];
    this.paragraphs = [];
    this.line = '';
    this.fenced = false;
  }

  /** Show the tokens from `count` on: what stands already is not touched. */
  append(tokens: readonly Token[], styles: TokenStyle, live: boolean): void {
    for (let place = this.count; place < tokens.length; place++) this.add(tokens[place]!, place, styles);
    if (live) this.paragraph().append(this.caret);
    else this.caret.remove();
  }

  private add(token: Token, place: number, styles: TokenStyle): void {
    const special = styles.special(place);
    const forced = styles.forced?.(place);
    const held = forced ? ` forced${forced === 'against' ? ' against' : ''}` : '';
    const style = `${styles.hit(place) ? ' hit' : ''}${held} s${styles.step(place)}`;
    const plain = style === ' s0';
    const spot: Partial<Spot> = {};
    const put = (element: HTMLElement) => {
      element.dataset.i = String(place);
      this.push(element);
      spot.node ??= element;
    };
    if (special !== undefined) put(h('span', { class: 'chip' }, specialWord(special)));
    else if (!token.text) put(h('span', { class: 't g' + style, 'data-g': '▯' }));
    else {
      for (const [n, part] of visible(token.text).split('\n').entries()) {
        if (n > 0) this.breakLine(place, spot);
        const lead = part.length - part.trimStart().length;
        const core = part.slice(lead);
        if (lead) this.letters(part.slice(0, lead), core ? {} : spot, plain, put);
        if (!core) continue;
        if (plain) this.letters(core, spot, true, put);
        else put(h('span', { class: 't' + style }, core));
        this.line += part;
      }
    }
    const node = spot.node ?? this.paragraph();
    this.spots.push({ node, start: spot.start ?? 0, end: spot.end ?? node.textContent?.length ?? 0 });
  }

  /** Plain letters go on with the text node that is there; tabs have a sign before them. */
  private letters(
    text: string,
    spot: Partial<Spot>,
    plain: boolean,
    put: (element: HTMLElement) => void,
  ): void {
    for (const [n, part] of text.split('\t').entries()) {
      if (n > 0) {
        const sign = h('span', { class: 'g', 'data-g': '⇥' });
        if (plain) this.push(sign);
        else put(sign);
      }
      const letters = n > 0 ? `\t${part}` : part;
      if (!letters) continue;
      const last =
        this.paragraph().lastChild === this.caret ? this.caret.previousSibling : this.paragraph().lastChild;
      let node: Text;
      if (last instanceof Text) node = last;
      else {
        node = document.createTextNode('');
        this.push(node);
      }
      const start = node.length;
      node.appendData(letters);
      if (!spot.node) Object.assign(spot, { node, start, end: node.length });
    }
  }

  private breakLine(place: number, spot: Partial<Spot>): void {
    const sign = h('span', { class: 'g', 'data-g': '⏎', 'data-i': place });
    this.push(sign);
    spot.node ??= sign;
    this.push(document.createTextNode('\n'));
    const fence = this.line.trimStart().startsWith('```');
    this.line = '';
    if (fence) this.fenced = !this.fenced;
    const { first } = this.paragraphs.at(-1)!;
    if (fence || place - first >= PARAGRAPH) this.begin(place);
  }

  private begin(first: number): HTMLElement {
    const element = h('div', { class: this.fenced ? 'p code' : 'p' });
    this.paragraphs.push({ element, first });
    this.element.append(element);
    return element;
  }

  private paragraph(): HTMLElement {
    return this.paragraphs.at(-1)?.element ?? this.begin(0);
  }

  private push(node: Node): void {
    const paragraph = this.paragraph();
    paragraph.insertBefore(node, this.caret.parentNode === paragraph ? this.caret : null);
  }

  /** The token under a point; `target` is what was hit. */
  at(x: number, y: number, target: EventTarget | null): number | undefined {
    if (!(target instanceof Element) || !this.element.contains(target)) return undefined;
    const own = target.closest<HTMLElement>('[data-i]');
    if (own) return Number(own.dataset.i);
    const index = this.paragraphs.findIndex(item => item.element.contains(target));
    if (index < 0) return undefined;
    let low = this.paragraphs[index]!.first;
    const end = this.paragraphs[index + 1]?.first ?? this.count - 1;
    const inside = (place: number) =>
      this.rects(place).some(r => x >= r.left - 4 && x <= r.right && y >= r.top - 4 && y <= r.bottom + 4);
    // Reading order, as long as the writing runs from left to right.
    for (let high = end; low <= high; ) {
      const middle = (low + high) >> 1;
      if (inside(middle)) return middle;
      const r = this.rects(middle)[0];
      if (!r || y > r.bottom + 4 || (y >= r.top - 4 && x > r.right)) low = middle + 1;
      else high = middle - 1;
    }
    for (let place = this.paragraphs[index]!.first; place <= end; place++) if (inside(place)) return place;
    return undefined;
  }

  rects(place: number): DOMRect[] {
    const spot = this.spots[place];
    if (!spot) return [];
    if (spot.node instanceof Element) return [...spot.node.getClientRects()];
    const range = document.createRange();
    range.setStart(spot.node, spot.start);
    range.setEnd(spot.node, Math.min(spot.end, spot.node.textContent?.length ?? 0));
    return [...range.getClientRects()].filter(r => r.width > 0);
  }

  /** Scroll so that the token can be seen. */
  reveal(place: number): void {
    const element = this.view ?? this.element;
    const node = this.spots[place]?.node;
    const holder = node instanceof Element ? node : node?.parentElement;
    const rect = this.rects(place)[0] ?? holder?.getBoundingClientRect();
    if (!rect) return;
    if (element.scrollHeight > element.clientHeight) {
      const view = element.getBoundingClientRect();
      if (rect.top < view.top + 8) element.scrollTop += rect.top - view.top - 40;
      else if (rect.bottom > view.bottom - 8) element.scrollTop += rect.bottom - view.bottom + 40;
    } else if (rect.top < 0 || rect.bottom > innerHeight) holder?.scrollIntoView?.({ block: 'center' });
  }

  /** Draw the outline around a token, or none. */
  mark(place: number | undefined): void {
    for (const box of this.boxes.splice(0)) box.remove();
    if (place === undefined) return;
    const view = this.element.getBoundingClientRect();
    for (const r of this.rects(place).slice(0, MOST_BOXES)) {
      const box = h('div', { class: 'box' });
      box.style.left = `${r.left - view.left - 3}px`;
      box.style.top = `${r.top - view.top - 3}px`;
      box.style.width = `${r.width + 2}px`;
      box.style.height = `${r.height + 2}px`;
      this.boxes.push(box);
      this.element.append(box);
    }
  }

  /** The first and the last token that can be seen now. */
  inView(): [number, number] {
    const view = (this.view ?? this.element).getBoundingClientRect();
    let first = 0;
    let last = this.count - 1;
    // Whole paragraphs first, then by their share: those that are not drawn have no letters to ask.
    for (const [n, { element, first: begin }] of this.paragraphs.entries()) {
      const r = element.getBoundingClientRect();
      const end = this.paragraphs[n + 1]?.first ?? this.count;
      const share = (y: number) => begin + Math.round(((y - r.top) / (r.height || 1)) * (end - begin));
      if (r.top <= view.top && r.bottom >= view.top) first = share(view.top);
      if (r.top <= view.bottom && r.bottom >= view.bottom)
        last = Math.min(share(view.bottom), this.count - 1);
    }
    return [Math.max(first, 0), Math.max(last, 0)];
  }

  scrollTo(place: number): void {
    const n = this.paragraphs.findLastIndex(item => item.first <= place);
    const paragraph = this.paragraphs[n];
    if (!paragraph) return;
    const r = paragraph.element.getBoundingClientRect();
    const end = this.paragraphs[n + 1]?.first ?? this.count;
    const share = (place - paragraph.first) / Math.max(end - paragraph.first, 1);
    const element = this.view ?? this.element;
    const view = element.getBoundingClientRect();
    element.scrollTop += r.top + share * r.height - view.top - view.height / 2;
  }
}

/** The prompt as it was given, special tokens as outlined words. */
export function promptText(record: GenerationRecord): HTMLElement {
  const known = record.prompt_texts.length > 0;
  const texts = known ? record.prompt_texts : [record.prompt];
  const tokens = texts.map((text, n) => ({ text, id: record.prompt_ids[n] ?? 0 }) as Token);
  const special = (place: number) => (known ? record.specials.get(tokens[place]!.id) : undefined);
  const shown = new TokenText();
  shown.append(tokens, { step: () => 0, hit: () => false, special }, false);
  return shown.element;
}
