import { readFileSync } from 'node:fs';
import { beforeEach, expect, test, vi } from 'vitest';
import type { InspectionHost } from '../src/inspect/inspectionView.js';
import { matches } from '../src/inspect/models/filter.js';
import { languageName, readRow } from '../src/inspect/models/modelRow.js';
import { InspectionMount } from '../src/inspect/registry.js';
import type { InspectionPayload } from '../src/protocol/inspection.js';
import { inside } from './helpers.js';

const GOLDEN: Record<string, InspectionPayload> = JSON.parse(
  readFileSync('../tests/golden/inside-1.json', 'utf8'),
);

let element: HTMLElement;
beforeEach(() => {
  document.body.replaceChildren();
  element = document.createElement('div');
  document.body.append(element);
});

async function open(kind: string, host: InspectionHost = {}): Promise<ShadowRoot> {
  await new InspectionMount(element, () => '').show(GOLDEN[kind]!, host);
  return inside(element);
}

const press = (target: Element, key: string) =>
  target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true }));
const titles = (root: ShadowRoot) => [...root.querySelectorAll('.line .c0')].map(cell => cell.textContent);

const ROW = readRow({
  name: 'llama-3.2-1b',
  title: 'Llama 3.2 1B',
  license: { short: 'Llama 3.2', commercial: 'on terms' },
  languages: ['en', 'th'],
  good_for: 'chat',
  memory: { expected: 2.2e9, verdict: 'tight' },
  speed: { value: 27, measured: true },
  state: 'in the cache',
});

// The same words are tried in tests/unit/test_catalog.py.
test.each([
  ['', true],
  ['llama 1b', true],
  ['fits cached commercial', true],
  ['< 3 GB > 20 tok/s chat', true],
  ['<2200 MB', false],
  ['> 2 GB', true],
  ['> 30 tokens/s', false],
  ['th', true],
  ['nonsense', false],
])('the words %j choose the row: %s', (words, expected) => {
  expect(matches(ROW, words)).toBe(expected);
});

test('what is not known matches no limit', () => {
  const row = readRow({ name: 'x', title: 'X' });
  expect(matches(row, '< 3 GB')).toBe(false);
  expect(matches(row, '> 0 tok/s')).toBe(false);
  expect(matches(row, 'fits')).toBe(false);
  expect(languageName('de')).toBe('German');
  expect(languageName('not a code')).toBe('not a code');
});

test('the table is sorted by memory, and says what is not known', async () => {
  const root = await open('models');
  expect(titles(root)).toEqual(['Llama 3.2 1B Instruct', 'Mixtral 8×7B', 'Mystery 3B']);
  const cells = [...root.querySelectorAll('.line')].map(line => line.textContent);
  expect(cells[0]).toContain('27');
  expect(cells[1]).toContain('≈ 1.5');
  expect(cells[1]).toContain('too large');
  expect(root.querySelectorAll('.line')[2]!.querySelectorAll('.unknown').length).toBe(5);
  (root.querySelector('.c0 .sort') as HTMLElement).click();
  expect(titles(root)).toEqual(['Llama 3.2 1B Instruct', 'Mixtral 8×7B', 'Mystery 3B']);
  (root.querySelector('.c6 .sort') as HTMLElement).click();
  expect(root.querySelector('[role=columnheader].c6')!.getAttribute('aria-sort')).toBe('ascending');
  expect(titles(root)[2]).toBe('Mystery 3B'); // what is not known comes last
});

test('filters and keys', async () => {
  const root = await open('models');
  const rows = root.querySelectorAll<HTMLElement>('.line');
  rows[0]!.focus();
  press(rows[0]!, 'ArrowDown');
  expect(root.querySelector('.line[tabindex="0"]')!.textContent).toContain('Mixtral');
  press(root.querySelector('.line[tabindex="0"]')!, 'Enter');
  expect(root.querySelectorAll('.details').length).toBe(1);
  press(root.querySelector('.line[tabindex="0"]')!, 'Escape');
  expect(root.querySelector('.details')).toBeNull();
  press(root.querySelector('.line[tabindex="0"]')!, 'f');
  expect(titles(root)).toEqual(['Llama 3.2 1B Instruct']);
  press(root.querySelector('.line')!, 'f');
  const find = root.querySelector<HTMLInputElement>('input[type=search]')!;
  find.value = 'nonsense';
  find.dispatchEvent(new Event('input'));
  expect(titles(root)).toEqual([]);
  expect(root.querySelector('.empty')!.textContent).toContain('No model matches');
});

test('the kernel is asked for a card and a download, and without one the buttons say why', async () => {
  const ask = vi.fn();
  let root = await open('models', { ask });
  root.querySelector<HTMLElement>('.line')!.click();
  const [fetchButton, cardButton] = root.querySelectorAll<HTMLButtonElement>('.actions button');
  fetchButton!.click();
  expect(ask).toHaveBeenLastCalledWith({ type: 'inspection.pull', name: 'llama-3.2-1b-instruct' });
  cardButton!.click();
  expect(ask).toHaveBeenLastCalledWith({
    type: 'inspection.open',
    view: 'card',
    name: 'llama-3.2-1b-instruct',
  });
  document.body.replaceChildren(element);
  element = document.createElement('div');
  document.body.append(element);
  root = await open('models');
  root.querySelector<HTMLElement>('.line')!.click();
  expect(root.querySelector<HTMLButtonElement>('.actions button')!.disabled).toBe(true);
  expect(root.querySelector<HTMLButtonElement>('.actions button')!.title).toBe('needs a running kernel');
});

test('a card has the conditions, the curve and what is left to you', async () => {
  const root = await open('card');
  expect(root.querySelector('h2')!.textContent).toBe('Llama 3.2 1B Instruct');
  expect(root.querySelector('svg.memory')!.getAttribute('aria-label')).toContain('6.2 GB are free');
  expect(root.querySelector('.memory .reached')).not.toBeNull();
  expect(root.querySelector('.marks')!.textContent).toContain('NOTICE is written');
  expect(root.querySelector('.foot')!.textContent).toContain('2 things are unknown');
  expect(root.querySelector('a')).toBeNull(); // the address of this record is none
  const text = root.querySelector('.view')!.textContent!;
  expect(text).toContain('not measured');
  expect(text).toContain('0.021');
});
