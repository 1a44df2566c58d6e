import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { PlaygroundHost } from '../src/playground/host.js';
import { Playground } from '../src/playground/playgroundView.js';
import type { KernelAvailability, ViewMessage } from '../src/protocol/messages.js';
import { type PlaygroundMessage, type PlaygroundState, readPlayground } from '../src/protocol/playground.js';
import { StreamStore } from '../src/protocol/streams.js';
import { inside } from './helpers.js';

/** A kernel that keeps what it is sent, and says what the test says. */
class Kernel implements PlaygroundHost {
  availability: KernelAvailability = 'ready';
  readonly sent: ViewMessage[] = [];
  readonly answers = new StreamStore(this);
  readonly inserted: string[][] = [];
  removed = 0;
  private readonly plays = new Set<(message: PlaygroundMessage) => void>();
  private readonly listeners = new Set<() => void>();
  insertCells = (sources: string[]) => {
    this.inserted.push(sources);
    return () => this.removed++;
  };
  send(order: ViewMessage): void {
    this.sent.push(order);
  }
  onPlay(listener: (message: PlaygroundMessage) => void): () => void {
    this.plays.add(listener);
    return () => this.plays.delete(listener);
  }
  onAvailability(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  say(message: Omit<PlaygroundMessage, 'type' | 'id'>): void {
    for (const listener of this.plays) listener({ type: 'playground', id: 'p', ...message });
  }
  become(availability: KernelAvailability): void {
    this.availability = availability;
    for (const listener of this.listeners) listener();
  }
  types(): string[] {
    return this.sent.map(message => message.type.replace('playground.', ''));
  }
}

const state = (more: object = {}): PlaygroundState => readPlayground({ id: 'p', model: 'tiny', ...more });
const turn = (more: object = {}) => ({ asked: 'Hi', key: 'k', versions: [1, 0], ...more });

let element: HTMLElement;
let kernel: Kernel;
let shown: Playground | undefined;
const open = (more: object = {}, host: Kernel | undefined = kernel) => {
  shown = new Playground(state(more), element, host);
  return inside(element);
};
const button = (root: ParentNode, label: string): HTMLButtonElement =>
  [...root.querySelectorAll('button')].find(
    item => item.getAttribute('aria-label') === label || item.textContent?.startsWith(label),
  )!;
const type = (root: ShadowRoot, text: string): HTMLTextAreaElement => {
  const prompt = root.querySelector<HTMLTextAreaElement>('[aria-label="Prompt"]')!;
  prompt.value = text;
  return prompt;
};

beforeEach(() => {
  document.body.replaceChildren();
  element = document.createElement('div');
  document.body.append(element);
  kernel = new Kernel();
});
afterEach(() => {
  shown?.dispose();
  shown = undefined;
  vi.useRealTimers();
});

test('a prompt is sent by Shift+Enter, and an empty one is not', () => {
  const root = open();
  expect(kernel.types()).toEqual(['open']);
  const prompt = type(root, '  ');
  const enter = () => prompt.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', shiftKey: true }));
  enter();
  expect(kernel.types()).toEqual(['open']);
  type(root, 'Why?');
  enter();
  expect(kernel.sent.at(-1)).toEqual({ type: 'playground.send', id: 'p', text: 'Why?' });
  expect(prompt.value).toBe('');
});

test('Escape stops an answer that is being made, and nothing else', () => {
  const root = open();
  const pressEscape = () =>
    root
      .querySelector('.play')!
      .dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
  pressEscape();
  expect(kernel.types()).toEqual(['open']);
  kernel.say({ now: state({ turns: [turn({ live: 's' })] }) });
  expect(button(root, 'Send').hidden).toBe(true);
  pressEscape();
  expect(kernel.types()).toEqual(['open', 'stop']);
});

test('without a kernel the conversation is read, and nothing can be sent', () => {
  kernel.availability = 'none';
  const root = open({ turns: [turn()] });
  expect(root.querySelector('.asked')!.textContent).toBe('Hi');
  expect(button(root, 'Send').disabled).toBe(true);
  expect(root.querySelector<HTMLTextAreaElement>('[aria-label="Prompt"]')!.placeholder).toBe(
    'Needs a running kernel',
  );
  kernel.become('ready');
  expect(button(root, 'Send').disabled).toBe(false);
  expect(kernel.types()).toEqual(['open']);
});

test('a kernel that does not know the conversation is told of it before the next order', () => {
  const root = open({ turns: [turn()] });
  kernel.say({ unknown: true });
  type(root, 'More');
  button(root, 'Send').click();
  expect(kernel.types()).toEqual(['open', 'restore', 'send']);
});

test('a kernel that says nothing is reported', () => {
  vi.useFakeTimers();
  const root = open();
  type(root, 'Hello?');
  button(root, 'Send').click();
  vi.advanceTimersByTime(6001);
  expect(root.querySelector('.failure')!.textContent).toContain('The kernel does not answer.');
});

test('cleared turns come back by Undo', () => {
  const root = open({ turns: [turn()] });
  kernel.say({ now: state({ undo: true }) });
  expect(root.querySelector('.failure')!.textContent).toContain('The conversation is cleared.');
  button(root, 'Undo').click();
  expect(kernel.types().at(-1)).toBe('undo');
});

test('cells are inserted, and taken back', () => {
  const root = open();
  kernel.say({ cells: [] });
  expect(root.querySelector('.failure')!.textContent).toContain('nothing to insert');
  kernel.say({ cells: ['%%llm\nHi', '%%llm -c x\nMore'] });
  expect(kernel.inserted).toEqual([['%%llm\nHi', '%%llm -c x\nMore']]);
  button(root, 'Undo').click();
  expect(kernel.removed).toBe(1);
});

test('a failure can be closed, and another one is shown again', () => {
  const root = open();
  kernel.say({ now: state({ failed: 'too long\nClear it.' }) });
  expect(root.querySelector('.failure')!.textContent).toContain('too long');
  button(root, 'Close this message').click();
  kernel.say({ now: state({ failed: 'too long\nClear it.' }) });
  expect(root.querySelector('.failure')!.textContent).toBe('');
  kernel.say({ now: state({ failed: 'another' }) });
  expect(root.querySelector('.failure')!.textContent).toContain('another');
});

test('a turn is edited, asked again, and shown in another version', () => {
  const root = open({ turns: [turn({ versions: [3, 1] })] });
  button(root, 'Later version').click();
  expect(kernel.sent.at(-1)).toMatchObject({ type: 'playground.version', turn: 0, version: 2 });
  button(root, 'Regenerate').click();
  expect(kernel.sent.at(-1)).toMatchObject({ type: 'playground.again', turn: 0 });
  button(root, 'Edit').click();
  const field = root.querySelector<HTMLTextAreaElement>('[aria-label="Edit the prompt"]')!;
  field.value = 'Hello';
  field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ctrlKey: true }));
  expect(kernel.sent.at(-1)).toMatchObject({ type: 'playground.edit', turn: 0, text: 'Hello' });
  expect(root.querySelector('[aria-label="Edit the prompt"]')).toBeNull();
});

test('Escape leaves an edit without sending it', () => {
  const root = open({ turns: [turn()] });
  button(root, 'Edit').click();
  const field = root.querySelector<HTMLTextAreaElement>('[aria-label="Edit the prompt"]')!;
  field.value = 'Hello';
  field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }));
  expect(root.querySelector('.asked')!.textContent).toBe('Hi');
  expect(kernel.types()).toEqual(['open']);
});

test('the first and the last version have no earlier and no later one', () => {
  const root = open({ turns: [turn({ versions: [2, 0] })] });
  expect(button(root, 'Earlier version').disabled).toBe(true);
  expect(button(root, 'Later version').disabled).toBe(false);
});
