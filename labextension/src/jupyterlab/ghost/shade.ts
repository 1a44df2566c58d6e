/** Shade ghost text by the probability of its tokens: by highlights of the browser, which change no node of the
 * editor. Three steps, from 3 and 5 bits on; unlikely tokens are underlined too, so that color is not alone. */

import { styles } from './shade.css.js';

const STEPS = [3, 5]; // bits, as everywhere
const NAMES = ['llm-magics-ghost-1', 'llm-magics-ghost-2'];
const GHOST = '.jp-GhostText';
const PROVIDED = 'providedBy';

export type GhostToken = [text: string, bits: number];

/** The stretches of a text that each step covers: [from, to) without line breaks.
 *
 * @param shown how many characters of the text the user has typed already: they are not shown any more. */
export function stretches(tokens: GhostToken[], text: string, shown: string): [number, number][][] {
  const steps: [number, number][][] = STEPS.map(() => []);
  const bare = (value: string) => value.replace(/\n/g, '');
  const whole = bare(tokens.map(token => token[0]).join(''));
  // The model may have repeated blanks that stand before the cursor, and what was typed since is gone.
  let at = -(whole.length - bare(text).length) - (bare(text).length - bare(shown).length);
  for (const [piece, bits] of tokens) {
    const to = at + bare(piece).length;
    const step = STEPS.filter(limit => bits >= limit).length - 1;
    if (step >= 0 && to > 0) steps[step]!.push([Math.max(at, 0), to]);
    at = to;
  }
  return steps;
}

/** A range of the text in a node, by the characters of its text nodes. */
function rangeIn(node: Node, from: number, to: number): Range | undefined {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let begun = false;
  let at = 0;
  for (let text = walker.nextNode() as Text | null; text; text = walker.nextNode() as Text | null) {
    const end = at + text.length;
    if (!begun && from < end) {
      range.setStart(text, Math.max(from - at, 0));
      begun = true;
    }
    if (begun && to <= end) {
      range.setEnd(text, to - at);
      return range;
    }
    at = end;
  }
  return undefined;
}

let styled = false;

/** Shade the ghost text of a provider in an editor; it must be drawn. */
export function shade(host: HTMLElement, provider: string, tokens: GhostToken[], text: string): void {
  if (typeof Highlight === 'undefined' || !CSS.highlights) return; // an older browser
  if (!styled) {
    styled = true;
    document.head.append(Object.assign(document.createElement('style'), { textContent: styles }));
  }
  const nodes = [...host.querySelectorAll<HTMLElement>(GHOST)];
  const node = nodes.find(item => item.dataset[PROVIDED] === provider);
  const parts = node ? stretches(tokens, text, node.textContent ?? '') : [];
  NAMES.forEach((name, step) => {
    const ranges = (parts[step] ?? []).flatMap(([from, to]) => rangeIn(node!, from, to) ?? []);
    if (ranges.length) CSS.highlights.set(name, new Highlight(...ranges));
    else CSS.highlights.delete(name);
  });
}
