/** The branches of an answer, as a tree that can be walked. */

import { type Branch, type GenerationRecord, pathTokens } from '../protocol/record.js';
import { h } from '../ui/dom.js';
import { count, fixed, percent, perplexity, probability, tokenWord } from '../ui/format.js';

const NAMES = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** A is the answer as it was sampled. */
export const pathName = (path: number): string => NAMES[path] ?? String(path);

/** Which of the branches is shown is chosen with ↑ ↓; it is the one tab stop. */
export class BranchTree {
  readonly element = h('div', { class: 'rail', hidden: true });
  private shown = '';

  constructor(private readonly walk: (path: number) => void) {
    this.element.addEventListener('keydown', event => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const rows = [...this.element.querySelectorAll<HTMLElement>('[role=treeitem]')];
    const at = rows.findIndex(row => row.getAttribute('aria-selected') === 'true');
    const to: Record<string, number> = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: rows.length - 1 };
    const next = to[event.key];
    if (next === undefined || !rows[next]) return;
    event.preventDefault();
    event.stopPropagation();
    this.walk(next);
  }

  show(record: GenerationRecord, chosen: number): void {
    this.element.hidden = !record.branches.length;
    if (this.element.hidden) {
      this.element.replaceChildren();
      this.shown = '';
      return;
    }
    const lengths = [record.tokens.length, ...record.branches.map(branch => branch.tokens.length)];
    const now = [chosen, ...lengths].join();
    if (now === this.shown) return; // a branch that grows is drawn token by token; the others stay
    this.shown = now;
    const total = lengths.reduce((sum, item) => sum + item, 0);
    const rows = lengths.map((_, path) => this.row(record, path, path === chosen));
    const focused = this.element.contains((this.element.getRootNode() as ShadowRoot).activeElement);
    this.element.replaceChildren(
      h('div', { class: 'fg2' }, `${count(lengths.length)} branches · ${count(total)} tokens`),
      h('ul', { role: 'tree', 'aria-label': 'Branches' }, ...rows),
      h('div', { class: 'fg2' }, h('kbd', {}, '↑'), h('kbd', {}, '↓'), 'another branch'),
    );
    if (focused) rows[chosen]?.focus({ preventScroll: true });
  }

  private row(record: GenerationRecord, path: number, chosen: boolean): HTMLElement {
    const branch = record.branches[path - 1];
    const tokens = pathTokens(record, path);
    const first = branch?.tokens[0];
    const words = branch
      ? tokenWord(typedWords(branch) || first?.text || '…')
      : tokens
          .slice(0, 8)
          .map(token => token.text)
          .join('')
          .trim();
    const read = tokens.slice(record.predicted_from);
    const numbers = [
      branch
        ? `${first ? percent(probability(first.logprob)) : '–'} at ${count(branch.at + 1)}`
        : 'as sampled',
      count(tokens.length),
      read.length ? `ppl ${fixed(perplexity(read), 1)}` : '',
    ];
    const item = h(
      'li',
      {
        role: 'treeitem',
        'aria-selected': String(chosen),
        'aria-level': depth(record, path) + 1,
        tabindex: chosen ? 0 : -1,
        onclick: () => this.walk(path),
      },
      h(
        'div',
        {},
        h('div', { class: 'name' }, h('b', {}, `${pathName(path)} `), h('code', {}, words)),
        h('small', {}, numbers.filter(Boolean).join(' · ')),
      ),
    );
    item.style.marginLeft = `${Math.min(depth(record, path), 6) * 12}px`;
    return item;
  }
}

/** What somebody put there: of a typed branch several tokens, none of which was drawn by a random number. */
export function typedWords(branch: Branch): string {
  const drawn = branch.tokens.findIndex(token => token.u !== undefined);
  const typed = drawn > 0 && Number(branch.options.temperature) !== 0 ? drawn : 1;
  return branch.tokens
    .slice(0, typed)
    .map(token => token.text)
    .join('');
}

function depth(record: GenerationRecord, path: number): number {
  const branch = record.branches[path - 1];
  return branch && branch.parent < path ? depth(record, branch.parent) + 1 : 0;
}
