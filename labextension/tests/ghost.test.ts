/** Ghost text: what is sent, what is shown, and when a request ends. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cursorText } from '../src/jupyterlab/ghost/context.js';
import { GhostProvider } from '../src/jupyterlab/ghost/provider.js';
import { stretches } from '../src/jupyterlab/ghost/shade.js';

const above = [
  { type: 'markdown', source: '# Title' },
  { type: 'code', source: 'x = 1' },
  { type: 'code', source: '%%llm -t 0\nWhy?' },
];

test('code is read with code, prose with prose', () => {
  expect(cursorText('code', 'y = x', 4, above)).toEqual({
    prefix: 'y = ',
    suffix: 'x',
    above: ['x = 1'],
    code: true,
  });
  expect(cursorText('markdown', 'As', 2, above)).toMatchObject({ above: ['# Title', 'Why?'], code: false });
  expect(cursorText('code', '%%llm -t 0\nAnd', 14, above)).toEqual({
    prefix: 'And',
    suffix: '',
    above: ['# Title', 'Why?'],
    code: false,
  });
});

test('the option line of a prompt has no ghost text', () => {
  expect(cursorText('code', '%%llm -t 0\nAnd', 7, [])).toBeUndefined();
  expect(cursorText('code', '%%llm', 5, [])).toBeUndefined();
  expect(cursorText('code', '%%llm_tune\na', 3, [])).toMatchObject({ code: true });
});

test('an offset counts characters, not UTF-16 units', () => {
  expect(cursorText('code', '"🙂" + x', 4, [])).toMatchObject({ prefix: '"🙂" ', suffix: '+ x' });
});

test('unlikely tokens are shaded, by the text that is left', () => {
  const tokens: [string, number][] = [
    [' by', 0.1],
    ['("month")', 3.5],
    ['.mean', 6],
    ['()', 0.2],
  ];
  const all = 'by("month").mean()';
  expect(stretches(tokens, all, all)).toEqual([[[2, 11]], [[11, 16]]]);
  // The user typed "by(": the rest has moved.
  expect(stretches(tokens, all, all.slice(3))).toEqual([[[0, 8]], [[8, 13]]]);
});

class Signal {
  readonly slots = new Set<() => void>();
  connect(slot: () => void): void {
    this.slots.add(slot);
  }
  disconnect(slot: () => void): void {
    this.slots.delete(slot);
  }
  emit(): void {
    for (const slot of [...this.slots]) slot();
  }
}

function notebook() {
  const host = document.createElement('div');
  const editor = {
    host,
    model: { sharedModel: { changed: new Signal() }, selections: { changed: new Signal() } },
  };
  const cell = { editor, model: { type: 'code', sharedModel: { getSource: () => 'x = ' } } };
  const content = { activeCell: cell, activeCellIndex: 0, widgets: [cell] };
  const sent: { type: string; id: string }[] = [];
  const listeners = new Map<string, (message: unknown) => void>();
  const connection = {
    availability: 'ready',
    send: (order: { type: string; id: string }) => sent.push(order),
    answers: {
      listen: (id: string, listener: (message: unknown) => void) => {
        listeners.set(id, listener);
        return () => listeners.delete(id);
      },
    },
  };
  const provider = new GhostProvider(() => connection as never);
  const fetch = (triggerKind = 1) =>
    provider.fetch(
      { text: 'x = ', offset: 4 } as never,
      { triggerKind, widget: { content, sessionContext: {} } } as never,
    );
  const say = (message: object) => {
    const { id } = sent.filter(order => order.type === 'ghost.start').at(-1)!;
    listeners.get(id)?.({ type: 'ghost', id, tokens: [], done: false, ...message });
  };
  return { provider, fetch, say, sent, editor, connection, listeners };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a suggestion grows until it is done, and the hover box tells model and time', async () => {
  const { provider, fetch, say, listeners } = notebook();
  const asked = fetch();
  say({ text: 'su', model: 'm', ms: 41 });
  const { items } = await asked;
  expect(items).toMatchObject([{ insertText: 'su', isIncomplete: true }]);
  expect(provider.name).toBe('m · 41 ms');
  const stream = provider.stream(items[0]!.token!);
  const next = stream.next();
  say({ text: 'sum(', done: true });
  expect((await next).value).toMatchObject({ response: { insertText: 'sum(', isIncomplete: false } });
  expect((await stream.next()).done).toBe(true);
  expect(listeners.size).toBe(0);
});

test.each(['text', 'cursor', 'focus', 'escape'])('a change of the %s ends the request', async what => {
  const { fetch, say, sent, editor, listeners } = notebook();
  const asked = fetch();
  if (what === 'text') editor.model.sharedModel.changed.emit();
  if (what === 'cursor') editor.model.selections.changed.emit();
  if (what === 'focus') editor.host.dispatchEvent(new Event('focusout'));
  if (what === 'escape') editor.host.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }));
  expect(sent.map(order => order.type)).toEqual(['ghost.start', 'ghost.stop']);
  say({ text: 'late' });
  expect(await asked).toEqual({ items: [] });
  expect(listeners.size + editor.model.sharedModel.changed.slots.size).toBe(0);
});

test('a new request ends the one before', async () => {
  const { fetch, say, sent } = notebook();
  const first = fetch();
  const second = fetch();
  say({ text: 'b', done: true });
  expect(await first).toEqual({ items: [] });
  expect((await second).items[0]).toMatchObject({ insertText: 'b' });
  expect(sent.map(order => order.type)).toEqual(['ghost.start', 'ghost.stop', 'ghost.start']);
});

test('an error is shown where the suggestion was asked for', async () => {
  const { fetch, say } = notebook();
  const asked = fetch(0);
  say({ type: 'failed', what: 'no model is loaded', hint: 'Run a cell.' });
  expect((await asked).items[0]!.error).toEqual({ message: 'no model is loaded Run a cell.' });
  const automatic = fetch(1);
  say({ type: 'failed', what: 'no model is loaded', hint: 'Run a cell.' });
  expect(await automatic).toEqual({ items: [] });
});

test('nothing is asked of a kernel that cannot answer now', async () => {
  const { fetch, sent, connection } = notebook();
  connection.availability = 'queued';
  expect(await fetch(1)).toEqual({ items: [] });
  connection.availability = 'none';
  expect(await fetch(0)).toEqual({ items: [] });
  expect(sent).toEqual([]);
});

test('a kernel that says nothing is given up', async () => {
  const { fetch, sent } = notebook();
  const asked = fetch();
  await vi.advanceTimersByTimeAsync(30_000);
  expect(await asked).toEqual({ items: [] });
  expect(sent.at(-1)!.type).toBe('ghost.stop');
});
