/** A view that is opened from another one: below it, and not saved with the notebook. */

import { h, icon } from '../dom.js';
import type { Act, KeptLook, LookHost } from '../inside.js';
import { Opened } from '../views/inside/open.js';
import { busyLine, PARTS_STYLE } from '../views/inside/parts.js';
import { banner, shell } from '../views/shell.js';
import type { Connection } from './connection.js';
import { Looks } from './looks.js';

export const MIME = 'application/vnd.llm-magics.inside+json';

export class Below {
  readonly node = h('div', { class: 'llm-magics-below' });
  private readonly bar = h('div');
  private readonly main = h('div');
  private readonly opened = new Opened(this.main, () => '');
  private readonly looks: Looks;
  private kept: KeptLook = {};

  constructor(connection: Connection) {
    this.looks = new Looks(connection);
    this.node.append(this.bar, this.main);
  }

  /** Have the kernel make a view of a record, and show it. */
  open(record: unknown, act: Act): void {
    this.looks.ask(record, act, {
      busy: () => this.draw(),
      failed: (what, hint) => this.draw(banner(what, hint, icon('error'))),
      made: bundle => {
        this.kept = (bundle[MIME] ?? {}) as KeptLook;
        this.draw();
      },
    });
  }

  dispose(): void {
    this.opened.dispose();
    this.node.remove();
  }

  private draw(said?: HTMLElement): void {
    const host: LookHost = {
      ask: act => this.open(this.kept, act),
      busy: this.looks.busy,
      stop: () => this.looks.stop(),
    };
    this.bar.replaceChildren();
    const { root } = shell(this.bar, PARTS_STYLE);
    const close = h(
      'button',
      { class: 'button plain', type: 'button', onclick: () => this.dispose() },
      'Close',
    );
    const line = busyLine(host);
    root.append(h('div', { class: 'row' }, line || null, said ?? null, h('span', { class: 'right' }, close)));
    if (this.kept.data) void this.opened.show(this.kept, { ...host, busy: undefined });
  }
}
