/** What every view of the inside holds: its root, its record, its place, and how it takes another record. */

import { h } from '../../dom.js';
import type { Look, LookHost, LookView } from '../../inside.js';
import { type Shell, shell } from '../shell.js';
import { busyLine, PARTS_STYLE } from './parts.js';

export abstract class InsideView implements LookView {
  protected readonly shell: Shell;
  protected readonly busy = h('div');
  protected readonly end = h('div');
  protected look!: Look;
  protected host: LookHost = {};

  constructor(element: HTMLElement, style: string) {
    this.shell = shell(element, PARTS_STYLE + style);
  }

  abstract update(look: Look, host: LookHost): void;

  /** Whether it is another record than before. */
  protected take(look: Look, host: LookHost = {}): boolean {
    const other = look !== this.look;
    this.look = look;
    this.host = host;
    this.busy.replaceChildren(busyLine(host));
    return other;
  }

  dispose(): void {
    this.shell.dispose();
  }
}
