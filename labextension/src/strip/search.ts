/** What the search field takes: words, or a threshold such as "< 10 %", "> 5 bits", "rank > 3". */

import type { Token } from '../protocol/token.js';
import { bits, probability } from '../ui/format.js';

type Test = (token: Token) => boolean;

/** The places of the tokens that a query finds, in order. */
export function search(query: string, tokens: readonly Token[]): number[] {
  const test = threshold(query);
  if (test) return tokens.flatMap((token, place) => (test(token) ? [place] : []));
  return words(query, tokens);
}

const VALUE: Record<string, (token: Token) => number> = {
  '%': token => 100 * probability(token.logprob),
  bits: token => bits(-token.logprob),
  rank: token => token.rank + 1,
  entropy: token => bits(token.entropy),
};
const PATTERN =
  /^\s*(?:(rank|entropy|p|bits|surprisal)\s*)?([<>]=?|=)\s*(\d+(?:[.,]\d+)?)\s*(%|bits?|rank)?\s*$/i;

function threshold(query: string): Test | undefined {
  const match = PATTERN.exec(query);
  if (!match) return undefined;
  const [, name = '', sign, number, unit = ''] = match;
  const limit = Number(number!.replace(',', '.'));
  const word = name.toLowerCase();
  const key =
    word === 'rank' || unit.toLowerCase() === 'rank'
      ? 'rank'
      : word === 'entropy'
        ? 'entropy'
        : unit.startsWith('b') || word === 'bits' || word === 'surprisal'
          ? 'bits'
          : '%';
  const value = VALUE[key]!;
  const tests: Record<string, (value: number) => boolean> = {
    '<': shown => shown < limit,
    '>': shown => shown > limit,
    '<=': shown => shown <= limit,
    '>=': shown => shown >= limit,
    '=': shown => shown === limit,
  };
  return token => tests[sign!]!(value(token));
}

/** Tokens that have a letter of an occurrence, wherever a token begins or ends. */
function words(query: string, tokens: readonly Token[]): number[] {
  const needle = query.trim().toLowerCase();
  if (!needle) return [];
  const ends: number[] = [];
  let whole = '';
  for (const token of tokens) {
    // One letter may become two in lower case: each token by itself, so that its end is known.
    whole += token.text.toLowerCase();
    ends.push(whole.length);
  }
  const places: number[] = [];
  let place = 0;
  for (let at = whole.indexOf(needle); at >= 0; at = whole.indexOf(needle, at + needle.length)) {
    while (ends[place]! <= at) place++;
    for (
      let index = place;
      index < tokens.length && (index === place || ends[index - 1]! < at + needle.length);
      index++
    )
      if (places.at(-1) !== index) places.push(index);
  }
  return places;
}
