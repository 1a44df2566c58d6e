/** What a view asks the kernel about its record: one thing at a time, which can be stopped. */

import type { Act } from '../inside.js';
import type { Connection } from './connection.js';

const SILENCE_MS = 5_000;

export interface LookNews {
  /** What the kernel is doing changed. */
  busy: () => void;
  made: (bundle: Record<string, unknown>) => void;
  failed: (what: string, hint: string) => void;
}

export class Looks {
  /** What the kernel is doing for this view, while it does. */
  busy: string | undefined;
  private job = '';

  constructor(private readonly connection: Connection) {}

  ask(record: unknown, act: Act, news: LookNews): void {
    const { connection } = this;
    if (this.busy) return;
    const job = Math.random().toString(36).slice(2);
    this.job = job;
    this.busy =
      connection.reach === 'queued' ? 'queued until the running cell is done' : 'asking the model …';
    const done = () => {
      off();
      clearTimeout(silent);
      this.busy = undefined;
    };
    const silent = setTimeout(() => {
      if (connection.reach === 'queued') return;
      done();
      news.failed('The kernel does not answer.', 'Run %load_ext llm_magics in a cell, then try again.');
    }, SILENCE_MS);
    const off = connection.answers.listen(job, told => {
      clearTimeout(silent);
      if (told.do === 'failed') {
        done();
        news.failed(told.what, told.hint ?? '');
      } else if (told.do === 'record') {
        done();
        news.made(told.bundle);
      } else if (told.do === 'status') {
        this.busy = told.text;
        news.busy();
      }
    });
    connection.send({ do: 'look', id: job, record, act });
    news.busy();
  }

  stop(): void {
    this.connection.send({ do: 'stop', id: this.job });
  }
}
