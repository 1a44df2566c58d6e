/** Views as widgets, where our plugin is not: VS Code and Colab. */

import { readFileSync } from 'node:fs';
import { beforeEach, expect, test, vi } from 'vitest';
import { GENERATION_MIME } from '../src/protocol/mime.js';
import type { RecordPayload } from '../src/protocol/record.js';
import { inside } from './helpers.js';

const payload: RecordPayload = JSON.parse(readFileSync('../tests/golden/schema-2.json', 'utf8')).bundle[
  GENERATION_MIME
];
let element: HTMLElement;
beforeEach(() => {
  document.body.replaceChildren();
  element = document.createElement('div');
  document.body.append(element);
});

test('an answer as a widget branches by the comm of the widget', async () => {
  const { default: widget } = await import('../src/hosts/anywidget.js');

  const sent: Record<string, unknown>[] = [];
  let hear: (content: unknown, buffers: undefined) => void = () => {};
  const model = (live: boolean) => ({
    get: (name: string) => ({ kind: 'tokens', payload, live })[name],
    send: (order: unknown) => sent.push(order as Record<string, unknown>),
    on: (_: string, listener: typeof hear) => {
      hear = listener;
    },
    off: () => {},
  });
  const off = widget.render({ model: model(true), el: element });
  await vi.waitFor(() => expect(inside(element).querySelectorAll('.t').length).toBeGreaterThan(1));
  const root = inside(element);
  root.querySelectorAll<HTMLElement>('.t')[1]!.click();
  await vi.waitFor(() => expect(root.querySelector('.card .others .can')).not.toBeNull());
  root.querySelector<HTMLElement>('.card .others .can')!.click();
  expect(sent[0]).toMatchObject({ type: 'generation.branch', parent: 0, at: 1, record: payload });
  hear({ type: 'failed', id: sent[0]!.id, what: 'tiny is not loaded', hint: 'Run a cell.' }, undefined);
  expect(element.querySelectorAll('[data-llm-view]')).toHaveLength(2);
  off();
  expect(element.childElementCount).toBe(0);
  // Without a kernel that answers there is nothing to branch with.
  widget.render({ model: model(false), el: element });
  await vi.waitFor(() => expect(inside(element).querySelectorAll('.t').length).toBeGreaterThan(1));
  inside(element).querySelectorAll<HTMLElement>('.t')[1]!.click();
  expect(inside(element).querySelector('.card .others .can')).toBeNull();
});
