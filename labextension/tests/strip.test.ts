import { readFileSync } from 'node:fs';
import { beforeEach, expect, test } from 'vitest';
import type { Branch } from '../src/protocol/record.js';
import { typedWords } from '../src/strip/branchTree.js';
import { search } from '../src/strip/search.js';
import { SplitText } from '../src/strip/splitText.js';
import { Strip } from '../src/strip/strip.js';
import type { TokenStyle } from '../src/strip/tokenText.js';
import { visible } from '../src/ui/format.js';
import { barHeight, MEASURES, stepOf } from '../src/ui/measures.js';
import { inside, record, token } from './helpers.js';

let element: HTMLElement;
beforeEach(() => {
  document.body.replaceChildren();
  element = document.createElement('div');
  document.body.append(element);
});

const HOSTILE: string[] = JSON.parse(readFileSync('../tests/hostile_texts.json', 'utf8'));
/** Elements that the strip makes itself. */
const OURS = new Set(
  'DETAILS SUMMARY DIV SPAN BUTTON INPUT SVG PATH CANVAS UL LI B KBD I SMALL CODE HEADER DL DT DD P FOOTER FORM STYLE'.split(
    ' ',
  ),
);

test('steps begin where the design says', () => {
  expect([0.99, 1, 2, 3, 5, 8].map(bits => stepOf(MEASURES.surprisal, bits))).toEqual([0, 1, 2, 3, 4, 5]);
  expect([50, 49, 24, 9, 2, 0.2].map(p => stepOf(MEASURES.probability, p))).toEqual([0, 1, 2, 3, 4, 5]);
  expect(stepOf(MEASURES.entropy, Number.NaN)).toBe(0);
});

test('a bar is higher for what is less expected, in every measure', () => {
  const heights = (name: keyof typeof MEASURES, ...values: number[]) =>
    values.map(value => Math.round(100 * barHeight(MEASURES[name], value)));
  expect(heights('surprisal', 0, 4, 8, 20, Number.NaN)).toEqual([0, 50, 100, 100, 0]);
  expect(heights('probability', 100, 75, 0)).toEqual([0, 25, 100]);
  expect(heights('rank', 1, 10, 101)).toEqual([15, 52, 100]);
  expect(heights('time', 0, 22, 500)).toEqual([0, 50, 100]);
});

test('a branch is named by the words that were typed, else by its first token', () => {
  const branch = (temperature: number, ...drawn: (number | undefined)[]): Branch => ({
    ...{ parent: 0, at: 0, text: '', stop_reason: 'length', timing: record().timing },
    tokens: drawn.map((u, n) => ({ ...token(` w${n}`), u })),
    options: { ...record().options, temperature },
  });
  expect(typedWords(branch(0.8, undefined, undefined, 0.5))).toBe(' w0 w1');
  expect(typedWords(branch(0.8, undefined, undefined))).toBe(' w0');
  expect(typedWords(branch(0, undefined, undefined, 0.5))).toBe(' w0');
});

test('an expected token has no element; spaces are never coloured; breaks are signs that are not copied', () => {
  new Strip(record(token('The'), token(' cat', -6), token(' sat\n', -0.1), token('\tdown', -4)), element);
  const text = inside(element).querySelector('.text')!;
  expect(text.textContent).toBe('The cat sat\n\tdown');
  const coloured = [...text.querySelectorAll('.t')].map(item => [item.textContent, item.className]);
  expect(coloured).toEqual([
    ['cat', 't s5'],
    ['down', 't s4'],
  ]);
  expect([...text.querySelectorAll('.g')].map(item => (item as HTMLElement).dataset.g)).toEqual(['⏎', '⇥']);
});

test('half a character and special tokens are signs', () => {
  const half = record(token('', -1, 7), token('é', -1, 8), token('', -0.1, 2));
  const strip = new Strip({ ...half, stop_reason: 'stop', specials: new Map([[2, '<|im_end|>']]) }, element);
  const text = inside(element).querySelector('.text')!;
  expect(text.querySelector<HTMLElement>('.g')?.dataset.g).toBe('▯');
  expect(text.querySelector('.chip')?.textContent).toBe('end');
  strip.dispose();
  expect(element.childElementCount).toBe(0);
});

test('what stands is not touched when tokens come', () => {
  const first = record(token('The', -3));
  const strip = new Strip(first, element, {}, { maxTokens: 9 });
  const text = inside(element).querySelector('.text')!;
  const stands = text.querySelector('.t');
  strip.update(record(token('The', -3), token(' cat', -3)), { maxTokens: 9 });
  expect(text.querySelector('.t')).toBe(stands);
  expect(text.textContent).toBe('The cat');
  expect(inside(element).querySelector('.caret')).not.toBeNull();
  strip.update(record(token('The', -3), token(' cat', -3)));
  expect(inside(element).querySelector('.caret')).toBeNull();
});

test('words and thresholds are found', () => {
  const tokens = [token('The', -0.1), token(' Scr', -3), token('ubber', -0.2), token('.', -6)];
  expect(search('scrub', tokens)).toEqual([1, 2]);
  expect(search('< 10 %', tokens)).toEqual([1, 3]);
  expect(search('> 5 bits', tokens)).toEqual([3]);
  expect(search('rank = 1', tokens)).toEqual([0, 1, 2, 3]);
  expect(search('nothing', tokens)).toEqual([]);
});

test.each(HOSTILE.map((text, n) => [n, text] as const))('hostile text %i stays text', (_, text) => {
  const answer = record(token(text, -3), token(text), token('\n'), token(text, -9));
  answer.prompt = text;
  answer.model = { ...answer.model, name: text, licence: text, precision: text };
  new Strip(answer, element);
  const root = inside(element);
  for (const item of root.querySelectorAll('*')) {
    expect(OURS.has(item.tagName.toUpperCase()), item.tagName).toBe(true);
    for (const name of item.getAttributeNames()) expect(name.startsWith('on')).toBe(false);
  }
  const shown = root.querySelector('.text')!.textContent!;
  expect(shown).toBe(visible(text + text + '\n' + text));
  expect(shown).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069\u200b]/);
  expect(root.querySelector('.summary')!.textContent).toContain(visible(text).slice(0, 10));
});

test('100,000 letters without a space', () => {
  const tokens = Array.from({ length: 10_000 }, (_, n) => token('abcdefghij', n % 7 ? -0.1 : -4));
  new Strip(record(...tokens), element);
  expect(inside(element).querySelector('.text')!.textContent!.length).toBe(100_000);
});

test('a coloured word in the branch beside speaks of its own token', () => {
  const columns = new SplitText();
  const style: TokenStyle = { step: () => 3, hit: () => false, special: () => undefined };
  const [a, b, c, d] = ['a ', 'b ', 'c ', 'd '].map(text => token(text));
  document.body.append(columns.element);
  columns.split(2, ['A', 'B'], [a!, b!, c!], style);
  columns.append([a!, b!, d!, c!], style, false);
  const words = [...columns.element.querySelectorAll<HTMLElement>('[data-i]')];
  const places = words.map(word => columns.pointed(false).at(0, 0, word));
  expect(places).toEqual([0, 1, null, 2, 3]);
  const beside = words.map(word => columns.pointed(true).at(0, 0, word));
  expect(beside[2]).toBe(2);
});

test('what a server did not tell is not shown', () => {
  const shown = record(token('Rome', -2), { ...token(' is', -1), rank: 2 });
  const part = new Strip({ ...shown, missing: ['entropy', 'rank'] }, element);
  const root = inside(element);
  const modes = () =>
    [...root.querySelectorAll<HTMLElement>('.segments button')]
      .filter(item => !item.hidden)
      .map(item => item.textContent);
  expect(modes()).toEqual(['Text', 'Surprisal', 'Probability', 'Time']);
  part.setMode('entropy');
  expect(root.querySelector('.segments [aria-checked="true"]')!.textContent).toBe('Surprisal');
  part.update({ ...shown, missing: ['entropy', 'logprob', 'rank'] });
  part.setMode('text');
  expect(modes()).toEqual(['Text', 'Time']);
  expect(root.textContent).toContain('the server gave no probabilities');
  expect(root.textContent).not.toContain('perplexity');
});

test('the values of a finished JSON answer stand below its tokens, and not below its text', () => {
  const shown = record(token('{"a": '), token('"x"', Math.log(0.5)), token('}'));
  const options = { grammar: { kind: 'json', source: '{}' } };
  const part = new Strip({ ...shown, options, stop_reason: 'stop' }, element);
  const rows = () => [...inside(element).querySelectorAll('.fields tbody tr')].map(row => row.textContent);
  expect(rows()).toEqual(['atext"x"50 %']);
  part.setMode('text');
  expect(rows()).toEqual([]);
  part.setMode('probability');
  part.update({ ...shown, options, stop_reason: 'length' });
  expect(rows()).toEqual([]);
});
