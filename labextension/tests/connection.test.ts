import type { ISessionContext } from '@jupyterlab/apputils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KernelConnection } from '../src/jupyterlab/kernelConnection.js';
import { SILENCE_MS, startRequest } from '../src/jupyterlab/request.js';

/** As much of a session, a kernel and a comm as the connection uses. */
class FakeComm {
  isDisposed = false;
  readonly sent: unknown[] = [];
  onMsg: (message: unknown) => void = () => {};
  constructor(readonly subshellId: string | null) {}
  readonly subshellStarted = Promise.resolve();
  send(data: unknown): void {
    this.sent.push(data);
  }
}
class FakeKernel {
  status = 'idle';
  isDisposed = false;
  handleComms = true;
  readonly info = Promise.resolve({});
  readonly comms: Record<string, FakeComm> = {};
  readonly interrupt = vi.fn();
  constructor(readonly supportsSubshells: boolean) {}
  createComm(_target: string, id: string): FakeComm {
    const comm = new FakeComm(this.supportsSubshells ? 'sub' : null);
    this.comms[id.split('-').at(-1)!] = comm;
    return comm;
  }
  say(data: object): void {
    this.comms.stream!.onMsg({ content: { data }, buffers: [] });
  }
}
class Signal {
  private readonly slots: (() => void)[] = [];
  connect(slot: () => void): void {
    this.slots.push(slot);
  }
  emit(): void {
    for (const slot of this.slots) slot();
  }
}
const kernelChanged = new Signal();
const statusChanged = new Signal();
function connect(kernel: FakeKernel | null): { connection: KernelConnection; context: { session: unknown } } {
  const context = { session: { kernel }, kernelChanged, statusChanged };
  return { connection: new KernelConnection(context as unknown as ISessionContext), context };
}
const settle = () => vi.advanceTimersByTimeAsync(0);
const listener = () => ({ heard: vi.fn(), silent: vi.fn() });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a busy kernel queues orders only where it has no subshell', async () => {
  for (const [subshells, availability] of [
    [false, 'queued'],
    [true, 'ready'],
  ] as const) {
    const kernel = new FakeKernel(subshells);
    const { connection } = connect(kernel);
    await settle();
    expect(connection.availability).toBe('ready');
    kernel.status = 'busy';
    expect(connection.availability).toBe(availability);
  }
});

test('a kernel that is gone cannot be reached, and the next one can', async () => {
  const first = new FakeKernel(true);
  const { connection, context } = connect(first);
  const changed = vi.fn();
  connection.onAvailability(changed);
  first.status = 'restarting';
  statusChanged.emit();
  expect(connection.availability).toBe('none');
  expect(changed).toHaveBeenCalled();
  const second = new FakeKernel(true);
  context.session = { kernel: second };
  kernelChanged.emit();
  connection.send({ type: 'hello' });
  await settle();
  expect(connection.availability).toBe('ready');
  expect(second.comms.control!.sent).toEqual([{ type: 'hello' }]);
  expect(first.comms.control!.sent).toEqual([]);
});

test('an answer is stopped by a message, or by an interrupt where messages wait', async () => {
  const quick = new FakeKernel(true);
  const { connection } = connect(quick);
  await settle();
  connection.stop('a');
  await settle();
  expect(quick.comms.control!.sent).toEqual([{ type: 'stream.stop', id: 'a' }]);
  const slow = new FakeKernel(false);
  connect(slow).connection.stop('a');
  expect(slow.interrupt).toHaveBeenCalledOnce();
});

test('a kernel that loads the extension is greeted, and playgrounds begin again', async () => {
  const kernel = new FakeKernel(true);
  const { connection } = connect(kernel);
  const load = vi.fn();
  const play = vi.fn();
  connection.onLoad(load);
  connection.onPlay(play);
  kernel.say({ type: 'here' });
  await settle();
  expect(kernel.comms.control!.sent).toEqual([{ type: 'hello' }]);
  expect(load).toHaveBeenCalledOnce();
  expect(play.mock.calls).toEqual([[{ type: 'playground', id: '', gone: true }]]);
});

test('a request hears the messages of its id until it is done', async () => {
  const kernel = new FakeKernel(true);
  const { connection } = connect(kernel);
  const one = listener();
  const id = startRequest(connection, own => ({ type: 'stream.record', id: own }), one);
  await settle();
  expect(kernel.comms.control!.sent).toEqual([{ type: 'stream.record', id }]);
  kernel.say({ type: 'status', id: 'other', text: 'no' });
  kernel.say({ type: 'status', id, text: 'yes' });
  expect(one.heard).toHaveBeenCalledOnce();
  one.heard.mock.calls[0]![2]();
  kernel.say({ type: 'status', id, text: 'late' });
  await vi.advanceTimersByTimeAsync(SILENCE_MS);
  expect([one.heard.mock.calls.length, one.silent.mock.calls.length]).toEqual([1, 0]);
});

test('a silent kernel is reported, and a queue is waited for', async () => {
  const kernel = new FakeKernel(false);
  const { connection } = connect(kernel);
  const one = listener();
  startRequest(connection, id => ({ type: 'stream.record', id }), one);
  await vi.advanceTimersByTimeAsync(SILENCE_MS);
  expect(one.silent.mock.calls[0]![0]).toBe('The kernel does not answer.');
  kernel.status = 'busy';
  const two = listener();
  startRequest(connection, id => ({ type: 'stream.record', id }), two);
  await vi.advanceTimersByTimeAsync(SILENCE_MS);
  expect(two.silent).not.toHaveBeenCalled();
});

test('a kernel that talks to another notebook is said at once', async () => {
  const kernel = new FakeKernel(true);
  kernel.handleComms = false;
  const { connection } = connect(kernel);
  expect(connection.elsewhere).toBe(true);
  const one = listener();
  startRequest(connection, id => ({ type: 'stream.record', id }), one);
  await settle();
  expect(one.silent.mock.calls[0]![0]).toContain('another notebook');
});
