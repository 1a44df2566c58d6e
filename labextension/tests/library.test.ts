/** Presets, prompts, search and files of the playground. */

import { expect, test, vi } from 'vitest';
import { ConversationSearch, matches } from '../src/playground/conversationSearch.js';
import type { Library, Preset, SavedPrompt } from '../src/playground/host.js';
import { PresetList, PromptList } from '../src/playground/libraryBox.js';
import { asMarkdown, readFile } from '../src/playground/transfer.js';
import { TurnTabs } from '../src/playground/turnTabs.js';
import { readPlayground, type Settings } from '../src/protocol/playground.js';

class Shelf implements Library {
  presets: Preset[] = [];
  prompts: SavedPrompt[] = [];
  private readonly listeners = new Set<() => void>();
  save(what: { presets?: Preset[]; prompts?: SavedPrompt[] }): void {
    Object.assign(this, what);
    for (const listener of this.listeners) listener();
  }
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

const options = (list: Element) => [...list.querySelectorAll('option')].map(item => item.textContent);
function choose(list: Element, name: string): void {
  const select = list.querySelector('select')!;
  select.selectedIndex = options(list).indexOf(name);
  select.dispatchEvent(new Event('change'));
}
function saveAs(list: Element, name: string): void {
  [...list.querySelectorAll('button')].find(item => item.textContent === 'Save …')!.click();
  const field = list.querySelector('input')!;
  field.value = name;
  field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
}

test('a preset is chosen, saved under a name, replaced and removed', () => {
  const shelf = new Shelf();
  const taken = vi.fn();
  const now = { temperature: 0.3, top_p: 0.5 } as Settings;
  const { element } = new PresetList(shelf, taken, () => now);
  choose(element, 'Greedy');
  expect(taken.mock.calls).toEqual([[{ temperature: 0, repetition_penalty: 1 }]]);
  const remove = element.querySelector<HTMLButtonElement>('[aria-label="Remove the preset"]')!;
  expect(remove.hidden).toBe(true); // those that come with the package stay
  saveAs(element, 'mine');
  saveAs(element, 'mine');
  expect(shelf.presets).toEqual([{ name: 'mine', settings: now }]);
  choose(element, 'mine');
  expect(taken.mock.calls[1]).toEqual([now]);
  remove.click();
  expect(shelf.presets).toEqual([]);
  expect(options(element)).not.toContain('mine');
});

test('without a library the presets of the package can be chosen', () => {
  const taken = vi.fn();
  const { element } = new PresetList(undefined, taken, () => ({}) as Settings);
  choose(element, 'Creative');
  expect(taken).toHaveBeenCalledTimes(1);
  expect(element.querySelector('button')!.hidden).toBe(true);
});

test('a prompt is saved and chosen; an empty one is not saved', () => {
  const shelf = new Shelf();
  const taken = vi.fn();
  let text = ' ';
  const { element } = new PromptList(shelf, taken, () => text);
  saveAs(element, 'nothing');
  expect(shelf.prompts).toEqual([]);
  text = 'Write it in one sentence: ';
  saveAs(element, 'short');
  choose(element, 'short');
  expect(taken.mock.calls).toEqual([[text]]);
});

test('search finds prompts and answers, and goes from one to the next', () => {
  const turns = [{ asked: 'Why is the sky blue?' }, { asked: 'And at night?' }, { asked: 'Blue?' }];
  const answers = ['Scattering.', 'It is dark blue.', 'Yes.'];
  expect(matches(turns, answers, 'BLUE')).toEqual([0, 1, 2]);
  expect(matches(turns, answers, ' ')).toEqual([]);
  const shown = vi.fn();
  const search = new ConversationSearch(words => matches(turns, answers, words), shown);
  const field = search.element.querySelector('input')!;
  const key = (more: object) => field.dispatchEvent(new KeyboardEvent('keydown', more));
  field.value = 'blue';
  field.dispatchEvent(new Event('input'));
  key({ key: 'Enter' });
  key({ key: 'Enter', shiftKey: true });
  key({ key: 'Enter', shiftKey: true });
  expect(shown.mock.calls.flat()).toEqual([0, 1, 0, 2]);
  expect(search.element.textContent).toBe('3 of 3');
  field.value = 'red';
  field.dispatchEvent(new Event('input'));
  expect(search.element.textContent).toBe('none');
});

test('a conversation is written as Markdown', () => {
  const state = readPlayground({ model: 'm', system: 'Be terse.', turns: [{ asked: 'Why\nso?' }] });
  expect(asMarkdown(state, ['Because.'], ['tiny'])).toBe(
    '# Conversation\n\n*System:* Be terse.\n\n> Why\n> so?\n\n**tiny**\n\nBecause.\n',
  );
});

test('only a file with a conversation is taken', async () => {
  const taken = vi.fn();
  const failed = vi.fn();
  const read = (text: string) => readFile(new Blob([text]), taken, failed);
  await read('{"turns": []}');
  await read('[1]');
  await read('{"turns": 3}');
  await read('no');
  await readFile(undefined, taken, failed);
  expect(taken.mock.calls).toEqual([[{ turns: [] }]]);
  expect(failed.mock.calls.map(call => call[0].split('\n')[0])).toEqual([
    'This file holds no conversation.',
    'This file holds no conversation.',
    'This file is not JSON.',
  ]);
});

test('the tabs of an answer: its tokens, inspections, JSON', () => {
  const tokens = document.createElement('div');
  const opened = vi.fn();
  const disposed = vi.fn();
  const inspector = () => ({ node: document.createElement('div'), open: opened, dispose: disposed });
  const tabs = new TurnTabs(tokens, inspector);
  document.body.append(tabs.bar, tokens, tabs.panel);
  tabs.show(undefined, 0);
  expect(tabs.bar.hidden).toBe(true);
  const payload = { data: 'x', kind: 'generation' };
  tabs.show(payload as never, 2);
  const [first, second, third] = [...tabs.bar.querySelectorAll('button')];
  first!.focus();
  first!.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
  expect(second!.getAttribute('aria-selected')).toBe('true');
  expect(tokens.hidden).toBe(true);
  [...tabs.panel.querySelectorAll('button')].find(item => item.textContent === 'Attention')!.click();
  expect(opened.mock.calls).toEqual([[payload, 'attention', 2]]);
  third!.click();
  expect(disposed).toHaveBeenCalledTimes(1);
  expect(tabs.panel.querySelector('pre')!.textContent).toContain('"kind": "generation"');
  tabs.show(undefined, 2); // it is generated anew
  expect(tokens.hidden).toBe(false);
  expect(new TurnTabs(tokens, undefined).bar.querySelectorAll('button')[1]!.hidden).toBe(true);
});
