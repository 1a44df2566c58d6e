/** Errors as one block. */

import { expect, test, vi } from 'vitest';
import { amounts, pieces, readError } from '../src/errors/errorText.js';
import { ErrorView } from '../src/errors/errorView.js';

const URL = 'https://github.com/open-llm-magics/open-llm-magics/blob/main/docs/errors.md#memoryneeded';
const EVALUE =
  'mixtral needs about 31 GB of memory, and 6.2 GB are free\n' +
  '  weights 30 GB · cache for 512 tokens 500 MB · work 500 MB\n' +
  '  → Load mistral-7b, which fits.\n  → Pass anyway=True (--anyway) to load it all the same.';
const memory = {
  ename: 'MemoryNeeded',
  evalue: EVALUE,
  traceback: [`\u001b[1;31mMemoryNeeded: mixtral …\u001b[0m\n${EVALUE}\n  ${URL}`],
};

test('an error is read from its output, and only ours', () => {
  const error = readError(memory)!;
  expect(error.what).toBe('mixtral needs about 31 GB of memory, and 6.2 GB are free');
  expect(error.hints).toEqual([
    'Load mistral-7b, which fits.',
    'Pass anyway=True (--anyway) to load it all the same.',
  ]);
  expect(error.url).toBe(URL);
  expect(readError({ ename: 'ValueError', evalue: 'x', traceback: [] })).toBeUndefined();
  expect(readError(null)).toBeUndefined();
  expect(readError({ ename: 'UsageError', evalue: 3 })).toBeUndefined();
  const frames = {
    ...memory,
    traceback: ['---', 'UsageError  Traceback (most recent call last)', 'Cell In[1]'],
  };
  expect(readError(frames)).toBeUndefined();
});

test('a link of a notebook that goes elsewhere is not shown', () => {
  const bad = { ...memory, traceback: ['x\n  https://evil.example/errors.md#x', 'javascript:alert(1)'] };
  expect(readError(bad)!.url).toBe('');
});

test('what an error counts is drawn against what is free', () => {
  expect(amounts(readError(memory)!)).toEqual({
    parts: [
      { name: 'weights', value: 30000 },
      { name: 'cache for 512 tokens', value: 500 },
      { name: 'work', value: 500 },
    ],
    limit: 6200,
  });
  const context = readError({
    ename: 'ContextOverflow',
    evalue:
      'the prompt has 9,214 tokens, and 7,792 of 8,192 are free, with 400 kept for the answer: 1,422 too many\n  df 6,871 tokens · cell [4] 2,280 tokens',
  })!;
  expect(amounts(context)).toEqual({
    parts: [
      { name: 'df', value: 6871 },
      { name: 'cell [4]', value: 2280 },
    ],
    limit: 7792,
  });
  expect(amounts(readError({ ename: 'UsageError', evalue: 'no\n  Nothing was run.' })!)).toBeUndefined();
});

test('code in a hint is told from words', () => {
  expect(pieces('Then run `hf auth login`, or use --fit.').filter(item => item.code)).toEqual([
    { text: 'hf auth login', code: true },
    { text: '--fit', code: true },
  ]);
  expect(pieces('Run %llm models to list them.')[1]).toEqual({
    text: '%llm models',
    code: true,
  });
  expect(pieces('well-known').every(item => !item.code)).toBe(true);
  expect(pieces('').length).toBe(0);
});

test('the view has the words, no HTML of the error, and a button that calls', () => {
  const node = document.createElement('div');
  const error = readError({
    ename: 'UsageError',
    evalue: 'unknown option <img src=x>\n  → Did you mean --max-tokens?',
  })!;
  const correct = vi.fn();
  const view = new ErrorView(node, error, { correct, fresh: true });
  const root = node.firstElementChild!.shadowRoot!;
  expect(root.querySelector('img')).toBeNull();
  expect(root.querySelector('[role=alert]')?.textContent).toContain('<img src=x>');
  expect(root.querySelector('li code')?.textContent).toBe('--max-tokens');
  root.querySelector('button')!.click();
  expect(correct).toHaveBeenCalledTimes(1);
  view.update(error, { fresh: false });
  expect(root.querySelector('button')).toBeNull();
  expect(root.querySelector('[role=alert]')).toBeNull();
  view.dispose();
});
