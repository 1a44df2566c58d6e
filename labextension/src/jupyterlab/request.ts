/** One thing that the kernel is asked to do: told of until it is done, or until it is clear that nobody answers. */

import type { KernelMessage, ViewMessage } from '../protocol/messages.js';
import type { StreamState } from '../protocol/streams.js';
import type { KernelConnection } from './kernelConnection.js';

export const SILENCE_MS = 6000;
const ELSEWHERE = 'This kernel belongs to another notebook that was opened first.';
/** What an order waits for where the kernel is busy. */
export const waitingText = ({ availability: reach }: KernelConnection): string | undefined =>
  reach === 'queued' ? 'queued until the running cell is done' : undefined;

export interface RequestListener {
  /** Called for each of its news; the last one calls `done`. */
  heard: (message: KernelMessage, growing: StreamState, done: () => void) => void;
  /** The kernel does not answer; nothing more is heard. */
  silent: (what: string, hint: string) => void;
}

/** Sends the order that `order` makes with a new id; gives the id. */
export function startRequest(
  connection: KernelConnection,
  order: (id: string) => ViewMessage,
  listener: RequestListener,
): string {
  const id = Math.random().toString(36).slice(2);
  const done = () => {
    off();
    clearTimeout(timer);
  };
  const timer = setTimeout(
    () => {
      if (connection.availability === 'queued' && !connection.elsewhere) return;
      done();
      if (connection.elsewhere)
        return listener.silent(ELSEWHERE, 'Do it there, or give this notebook a kernel of its own.');
      listener.silent('The kernel does not answer.', 'Run %load_ext llm_magics in a cell, then try again.');
    },
    connection.elsewhere ? 0 : SILENCE_MS,
  );
  const off = connection.answers.listen(id, (message, growing) => {
    clearTimeout(timer);
    listener.heard(message, growing, done);
  });
  connection.send(order(id));
  return id;
}
