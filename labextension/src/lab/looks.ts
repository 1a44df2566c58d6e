/** What a view asks the kernel about its record: one thing at a time, which can be stopped. */

import type { Act } from '../inside.js';
import type { Connection } from './connection.js';
import { startJob, waiting } from './job.js';

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
    if (this.busy) return;
    this.busy = waiting(this.connection) ?? 'asking the model …';
    this.job = startJob(this.connection, id => ({ do: 'look', id, record, act }), {
      heard: (told, _, done) => {
        if (told.do === 'status') {
          this.busy = told.text;
          return news.busy();
        }
        if (told.do !== 'failed' && told.do !== 'record') return;
        done();
        this.busy = undefined;
        if (told.do === 'failed') news.failed(told.what, told.hint ?? '');
        else news.made(told.bundle);
      },
      silent: (what, hint) => {
        this.busy = undefined;
        news.failed(what, hint);
      },
    });
    news.busy();
  }

  stop(): void {
    this.connection.send({ do: 'stop', id: this.job });
  }
}
