/** The values of a JSON answer, and how likely each was among what its schema allowed. */

import type { Token } from '../protocol/token.js';
import { bar } from '../ui/controls.js';
import { h } from '../ui/dom.js';
import { percent, probability, visible } from '../ui/format.js';
import { amongAllowed } from '../ui/measures.js';

export interface ValueField {
  /** Where it stands, such as "tags[0]" or "address.city"; empty for a value that is no object. */
  path: string;
  value: unknown;
  /** The probability of all tokens of the value, with its end. */
  probability: number;
}

interface Leaf {
  path: string;
  value: unknown;
  from: number;
  to: number;
}

const MOST_FIELDS = 60;
const MOST_DEPTH = 60;
const SCALAR = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/sy;

/** The scalars of a JSON text with their places; none where it is no JSON. */
function leavesOf(text: string): Leaf[] {
  const leaves: Leaf[] = [];
  let at = 0;
  const skip = () => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  const take = (sign: string): boolean => {
    skip();
    if (text[at] !== sign) return false;
    at++;
    return true;
  };
  const need = (good: boolean): void => {
    if (!good) throw new SyntaxError('not JSON');
  };
  const scalar = (): Omit<Leaf, 'path'> => {
    skip();
    SCALAR.lastIndex = at;
    const match = SCALAR.exec(text);
    need(!!match);
    const from = at;
    at += match![0].length;
    return { value: JSON.parse(match![0]), from, to: at };
  };
  const read = (path: string, depth: number): void => {
    need(depth < MOST_DEPTH);
    if (take('{')) {
      if (take('}')) return;
      do {
        const key = String(scalar().value);
        need(take(':'));
        read(path ? `${path}.${key}` : key, depth + 1);
      } while (take(','));
      return need(take('}'));
    }
    if (take('[')) {
      if (take(']')) return;
      let place = 0;
      do read(`${path}[${place++}]`, depth + 1);
      while (take(','));
      return need(take(']'));
    }
    leaves.push({ path, ...scalar() });
  };
  try {
    read('', 0);
  } catch {
    return [];
  }
  return leaves;
}

/** The fields of an answer in JSON, in order. A token counts for the value that it has letters of. */
export function valueFields(tokens: readonly Token[]): ValueField[] {
  const text = tokens.map(token => token.text).join('');
  const leaves = leavesOf(text).slice(0, MOST_FIELDS);
  let from = 0;
  const spans = tokens.map(token => {
    const span = { from, to: from + token.text.length, logprob: amongAllowed(token) };
    from = span.to;
    return span;
  });
  return leaves.map(leaf => {
    const own = spans.filter(span => span.from < leaf.to && span.to > leaf.from);
    const logprob = own.reduce((sum, span) => sum + span.logprob, 0);
    return { path: leaf.path, value: leaf.value, probability: probability(logprob) };
  });
}

const TYPES: Record<string, string> = {
  string: 'text',
  number: 'number',
  boolean: 'yes or no',
  object: 'null',
};

/** A row for each value; nothing for an answer that is no object. */
export function fieldsTable(tokens: readonly Token[]): HTMLElement | undefined {
  const fields = valueFields(tokens).filter(field => field.path);
  if (!fields.length) return undefined;
  const heads = ['field', 'type', 'value', '', 'probability'];
  const classes = ['', '', '', 'share', 'n'];
  return h(
    'table',
    { class: 'fields', 'aria-label': 'values of the answer' },
    h(
      'thead',
      {},
      h(
        'tr',
        {},
        ...heads.map((name, n) =>
          name ? h('th', { scope: 'col', class: classes[n] }, name) : h('td', { class: classes[n] }),
        ),
      ),
    ),
    h(
      'tbody',
      {},
      ...fields.map(field =>
        h(
          'tr',
          {},
          h('td', {}, h('b', {}, visible(field.path))),
          h('td', {}, TYPES[typeof field.value] ?? ''),
          h('td', {}, h('code', {}, visible(JSON.stringify(field.value)))),
          h('td', { class: 'share' }, bar(field.probability)),
          h('td', { class: 'n' }, percent(field.probability)),
        ),
      ),
    ),
  );
}
