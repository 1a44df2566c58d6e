/** One thing that the kernel is asked to do: told of until it is done, or until it is clear that nobody answers. */

import type { Order } from '../host.js';
import type { Growing, News } from '../live.js';
import type { Connection } from './connection.js';

export const SILENCE_MS = 6000;
const ELSEWHERE = 'This kernel belongs to another notebook that was opened first.';
/** What an order waits for where the kernel is busy. */
export const waiting = ({ reach }: Connection): string | undefined =>
  reach === 'queued' ? 'queued until the running cell is done' : undefined;

export interface JobNews {
  /** Called for each of its news; the last one calls `done`. */
  heard: (news: News, growing: Growing, done: () => void) => void;
  /** The kernel does not answer; nothing more is heard. */
  silent: (what: string, hint: string) => void;
}

/** Sends the order that `order` makes with a new id; gives the id. */
export function startJob(connection: Connection, order: (id: string) => Order, tell: JobNews): string {
  const id = Math.random().toString(36).slice(2);
  const done = () => {
    off();
    clearTimeout(timer);
  };
  const timer = setTimeout(
    () => {
      if (connection.reach === 'queued' && !connection.elsewhere) return;
      done();
      if (connection.elsewhere)
        return tell.silent(ELSEWHERE, 'Do it there, or give this notebook a kernel of its own.');
      tell.silent('The kernel does not answer.', 'Run %load_ext llm_magics in a cell, then try again.');
    },
    connection.elsewhere ? 0 : SILENCE_MS,
  );
  const off = connection.answers.listen(id, (news, growing) => {
    clearTimeout(timer);
    tell.heard(news, growing, done);
  });
  connection.send(order(id));
  return id;
}
