import { beforeEach, expect, test, vi } from 'vitest';
import { SettingsPanel } from '../src/playground/settings.js';
import { type PlaygroundState, readPlayground } from '../src/protocol/playground.js';

const actions = { set: vi.fn(), model: vi.fn(), adapter: vi.fn(), compare: vi.fn() };
const state = (more: object = {}): PlaygroundState => readPlayground({ id: 'p', model: 'small', ...more });
const row = (name: string, bytes: number, licence = 'Apache-2.0') => ({ name, title: name, licence, bytes });

let panel: SettingsPanel;
beforeEach(() => {
  for (const action of Object.values(actions)) action.mockReset();
  document.body.replaceChildren();
  panel = new SettingsPanel(actions);
  document.body.append(panel.element);
  panel.show(state());
});
const named = <T extends HTMLElement>(label: string): T =>
  panel.element.querySelector(`[aria-label="${label}"]`)!;

test('a slider and its number follow each other, and all settings are sent', () => {
  const range = named<HTMLInputElement>('temperature');
  range.value = '1.5';
  range.dispatchEvent(new Event('input'));
  range.dispatchEvent(new Event('change'));
  expect(named<HTMLInputElement>('temperature, number').value).toBe('1.5');
  const [settings, system, raw, form, set] = actions.set.mock.calls[0]!;
  expect(settings).toMatchObject({ temperature: 1.5, top_p: 0.95, top_k: 40, max_tokens: 256 });
  expect([system, raw, form, set]).toEqual(['', false, '', 1]);
  const number = named<HTMLInputElement>('seed, number');
  number.value = '123456'; // outside of the slider
  number.dispatchEvent(new Event('change'));
  expect(actions.set.mock.calls[1]![0].seed).toBe(123456);
});

test('a state that is older than the last change does not undo it', () => {
  const number = named<HTMLInputElement>('top-k, number');
  number.value = '7';
  number.dispatchEvent(new Event('change'));
  panel.show(state({ set: 0, settings: { top_k: 40 } }));
  expect(number.value).toBe('7');
  panel.show(state({ set: 1, settings: { top_k: 9 } }));
  expect(number.value).toBe('9');
});

test('raw text has no system prompt', () => {
  const [chat, raw] = panel.element.querySelectorAll<HTMLButtonElement>('[role=radio]');
  raw!.click();
  expect(raw!.getAttribute('aria-checked')).toBe('true');
  expect(chat!.getAttribute('aria-checked')).toBe('false');
  expect(named<HTMLTextAreaElement>('System prompt').disabled).toBe(true);
  expect(actions.set.mock.calls[0]![2]).toBe(true);
});

test('models say whether they fit, and one that does not cannot be chosen', () => {
  panel.have(
    [row('small', 2e8), row('mid', 8e8), row('large', 2e9, 'llama3.2')],
    { free: 1e9, total: 4e9 },
    [],
  );
  const rows = [...panel.element.querySelectorAll<HTMLElement>('.models [role=option]')];
  expect(rows.map(item => item.querySelector('.size')!.textContent)).toEqual([
    expect.stringContaining('fits'),
    expect.stringContaining('tight'),
    expect.stringContaining('too large'),
  ]);
  for (const item of rows) item.click();
  expect(actions.model.mock.calls).toEqual([['mid']]); // the first is chosen already
  expect(rows.map(item => item.querySelector('.tag')!.classList.contains('terms'))).toEqual([
    false,
    false,
    true,
  ]);
});

test('a name that was refused stays in its field, and one that was loaded goes', () => {
  const field = named<HTMLInputElement>('Load a model by name');
  field.value = ' nobody/nothing ';
  field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
  expect(actions.model.mock.calls).toEqual([['nobody/nothing']]);
  panel.show(state({ loading: { what: 'loading', share: null } }));
  panel.show(state({ refused: 'there is no such model\nCheck the name.' }));
  expect(field.value.trim()).toBe('nobody/nothing');
  expect(panel.element.querySelector('[role=alert]')!.textContent).toContain('Check the name.');
  field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' }));
  panel.show(state({ loading: { what: 'loading', share: 0.5 } }));
  expect(panel.element.querySelector('progress')!.value).toBe(0.5);
  panel.show(state());
  expect(field.value).toBe('');
});

test('adapters are offered where there are some; one that is gone stays in the list', () => {
  const select = named<HTMLSelectElement>('Adapter');
  expect(select.closest('section')!.hidden).toBe(true);
  panel.have([], { free: 1, total: 1 }, ['pirate']);
  expect(select.closest('section')!.hidden).toBe(false);
  panel.show(state({ adapter: 'lost' }));
  expect([...select.options].map(option => option.value)).toEqual(['', 'pirate', 'lost']);
  expect(select.value).toBe('lost');
  select.value = 'pirate';
  select.dispatchEvent(new Event('change'));
  expect(actions.adapter.mock.calls).toEqual([['pirate', 1]]);
  panel.show(state({ adapter: 'pirate', strength: 0.8 }));
  const strength = panel.element.querySelector<HTMLInputElement>('[aria-label="Strength of the adapter"]')!;
  expect(strength.value).toBe('0.8');
  strength.value = '1.2';
  strength.dispatchEvent(new Event('change'));
  expect(actions.adapter.mock.calls[1]).toEqual(['pirate', 1.2]);
});
