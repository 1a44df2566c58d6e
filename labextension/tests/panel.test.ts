/** The panel of models: what it shows, what it asks for, where the focus stays. */

import { expect, test, vi } from 'vitest';
import { statusText } from '../src/jupyterlab/panel/statusItem.js';
import { ago } from '../src/panel/cacheList.js';
import type { PanelContent, PanelHost } from '../src/panel/content.js';
import { PanelView } from '../src/panel/panelView.js';
import type { PanelState } from '../src/protocol/panel.js';

const state: PanelState = {
  model: {
    name: 'gpt2',
    title: 'GPT-2',
    key: 'gpt2/auto-7-a',
    license: 'MIT',
    precision: 'auto',
    kl: 0.0092,
    context: 1024,
    weights: 3e8,
    caches: 1e8,
    speed: 20.44,
    first: 0.312,
  },
  server: null,
  default: { name: 'd', title: 'Default', bytes: 98e6 },
  free: 6e9,
  adapters: [
    { name: 'tone', bytes: 13e6, base: 'gpt2', fits: true },
    { name: 'pirate', bytes: 13e6, base: 'llama', fits: false },
  ],
  adapter: { name: 'tone', strength: 0.8 },
  jobs: [
    {
      id: 'a',
      kind: 'answer',
      title: 'Answer',
      share: 0.25,
      detail: '64 of 256',
      paused: null,
      stop: 'stop',
    },
    { id: 't', kind: 'tuning', title: 'pirate', share: 0.5, detail: 'step 1', paused: true, stop: 'stop' },
  ],
  ghost: { model: '', median: 41, p90: 68 },
};
const cached = (name: string, damaged = false) => ({
  key: `${name}/auto-7-a`,
  name,
  title: name.toUpperCase(),
  precision: 'auto',
  license: 'MIT',
  bytes: 1.1e9,
  used: 0,
  damaged,
  fetch: 9.36e8,
});
const content: PanelContent = {
  notebook: 'a.ipynb',
  kernel: 'ready',
  state,
  cache: {
    models: [cached('gpt2'), cached('olmo', true)],
    downloads: 5e6,
    free: 8e10,
    host: 'box',
    cache: 'c',
  },
  place: 'kernel',
  ghost: { on: true, available: true },
};

function panel() {
  const element = document.createElement('div');
  document.body.append(element);
  const names = ['use', 'adapt', 'stop', 'pause', 'remove', 'refresh', 'playground', 'ghost', 'dismiss'];
  const calls = Object.fromEntries(names.map(name => [name, vi.fn()]));
  const translate = (text: string, ...values: string[]) =>
    text.replace(/%(\d)/g, (_, n) => values[Number(n) - 1] ?? '');
  const view = new PanelView(element, { ...calls, translate } as unknown as PanelHost);
  const button = (name: string) =>
    [...view.root.querySelectorAll('button')].find(
      item => (item.getAttribute('aria-label') ?? item.textContent) === name,
    )!;
  return { view, calls, button, text: () => view.root.textContent ?? '' };
}

test('everything of a kernel is shown', () => {
  const { view, text } = panel();
  view.update(content);
  for (const part of [
    ...['GPT-2', 'MIT', 'KL 0.009', 'context 1,024', '400 MB', '6.0 GB free', '20.4', '0.31 s'],
    ...['tone', 'for llama', '64 of 256', 'OLMO', 'damaged', '41 ms, 9 of 10 within 68 ms', 'box'],
  ])
    expect(text()).toContain(part);
  const bars = [...view.root.querySelectorAll('[role=progressbar]')];
  expect(bars.map(bar => bar.getAttribute('aria-valuenow'))).toEqual(['25', '50']);
});

test('jobs are stopped and paused, adapters taken off', () => {
  const { view, calls, button } = panel();
  view.update(content);
  button('Stop: Answer').click();
  button('Resume: Tuning pirate').click();
  view.root.querySelector<HTMLInputElement>('[data-key="adapter tone"]')!.click();
  expect(calls.stop!.mock.calls).toEqual([['a']]);
  expect(calls.pause!.mock.calls).toEqual([['t', false]]);
  expect(calls.adapt!.mock.calls).toEqual([[null, 1]]);
  expect(view.root.querySelector<HTMLInputElement>('[data-key="adapter pirate"]')!.disabled).toBe(true);
});

test('a model is deleted after a question; the one in use is not', () => {
  const { view, calls, button } = panel();
  view.update(content);
  expect(button('Delete GPT2, auto')).toBeUndefined();
  button('Delete OLMO, auto').click();
  const question = view.root.querySelector('[role=alertdialog]')!;
  expect(question.textContent).toContain('936 MB');
  question.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
  expect(view.root.querySelector('[role=alertdialog]')).toBeNull();
  button('Delete OLMO, auto').click();
  view.root.querySelector<HTMLButtonElement>('[data-key^="delete"]')!.click();
  expect(calls.remove!.mock.calls).toEqual([['olmo/auto-7-a']]);
});

test.each([
  ['none', 'There is no running kernel'],
  ['silent', 'Run %load_ext llm_magics in a cell'],
] as const)('without a state (%s) it says why, and the cache can be read', (kernel, words) => {
  const { view, text } = panel();
  view.update({ ...content, kernel, state: undefined, place: 'server' });
  expect(text()).toContain(words);
  expect(text()).toContain("Cache of the server's machine (box)");
  view.update({ ...content, kernel, state: undefined, cache: undefined, place: 'server' });
  expect(text()).toContain('The list cannot be read');
});

test('another precision of the model in use can be deleted', () => {
  const { view, button, text } = panel();
  const other = { ...cached('gpt2'), key: 'gpt2/int8-7-b', precision: 'int8' };
  view.update({ ...content, cache: { ...content.cache!, models: [cached('gpt2'), other] } });
  expect(button('Delete GPT2, int8')).toBeDefined();
  expect(button('Delete GPT2, auto')).toBeUndefined();
  expect(text().match(/· in use ·/g)).toHaveLength(1);
});

test('an error can be dismissed; names are shown as text', () => {
  const { view, calls, button, text } = panel();
  const evil = { ...state, model: { ...state.model!, title: '<img src=x>\u202e' } };
  view.update({ ...content, state: evil, failed: { what: 'gpt2 is not here', hint: 'Run it.' } });
  expect(text()).toContain('<img src=x>·');
  expect(view.root.querySelector('img')).toBeNull();
  button('Dismiss').click();
  expect(calls.dismiss).toHaveBeenCalled();
});

test('the status bar tells the model, or what is loaded', () => {
  expect(statusText(undefined)).toBe('no model');
  expect(statusText(state)).toBe('gpt2 · auto · 20 tokens/s');
  const loading = { ...state.jobs[0]!, kind: 'loading', title: 'olmo', share: 0.62 };
  expect(statusText({ ...state, jobs: [loading] })).toBe('olmo · 62 %');
  expect(statusText({ ...state, server: 'm behind a server' })).toBe('m behind a server');
});

test('times are told in the largest unit', () => {
  expect([5, 600, 7200, 4e5].map(ago)).toEqual(['just now', '10 min ago', '2 h ago', '5 days ago']);
});
