/** A kept record of the inside → its view. */

import { h, icon } from '../../dom.js';
import {
  type KeptLook,
  type Look,
  type LookHost,
  type LookView,
  type MakeView,
  readLook,
} from '../../inside.js';
import { banner, shell } from '../shell.js';
import { AttentionView } from './attention.js';
import { CausesView } from './causes.js';
import { CompareView } from './compare.js';
import { LensView } from './lens.js';
import { MemoryView } from './memory.js';
import { ProbeView } from './probe.js';
import { ReplayView } from './replay.js';
import { TokenizersView } from './tokenizers.js';
import { TreeView } from './tree.js';
import { WalkView } from './walk.js';
import { WatchView } from './watch.js';

const VIEWS: Record<string, MakeView> = {
  attention: (look, element, host) => new AttentionView(look, element, host),
  causes: (look, element, host) => new CausesView(look, element, host),
  memory: (look, element) => new MemoryView(look, element),
  compare: (look, element) => new CompareView(look, element),
  lens: (look, element, host) => new LensView(look, element, host),
  probe: (look, element, host) => new ProbeView(look, element, host),
  replay: (look, element, host) => new ReplayView(look, element, host),
  tokenizers: (look, element, host) => new TokenizersView(look, element, host),
  tree: (look, element, host) => new TreeView(look, element, host),
  walk: (look, element, host) => new WalkView(look, element, host),
  watch: (look, element) => new WatchView(look, element),
};

/** Keeps the view of an element as its record is. */
export class Opened {
  private view: LookView | undefined;
  private look: Look | undefined;
  private data = '';
  private host: LookHost = {};
  private turn = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly fallback: () => string,
  ) {}

  async show(kept: KeptLook, host: LookHost): Promise<void> {
    if (this.view && this.look && kept.data === this.data) {
      // A kernel's status changes often, and means something only now and then.
      const { busy, ask } = this.host;
      this.host = host;
      if (busy !== host.busy || !ask !== !host.ask) this.view.update(this.look, host);
      return;
    }
    const turn = ++this.turn;
    try {
      const look = await readLook(kept);
      if (turn !== this.turn) return;
      const make = Object.hasOwn(VIEWS, look.view) ? VIEWS[look.view] : undefined;
      if (!make) throw new Error(`This version has no view called ${look.view.slice(0, 40)}.`);
      const { view } = this;
      const same = this.look?.view === look.view;
      Object.assign(this, { look, host, data: kept.data });
      if (view && same) return view.update(look, host);
      this.clear();
      this.view = make(look, this.element, host);
    } catch (error) {
      if (turn === this.turn) this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  dispose(): void {
    this.turn++;
    this.clear();
  }

  private clear(): void {
    this.view?.dispose();
    this.view = undefined;
    this.element.replaceChildren();
  }

  /** A renderer that throws leaves its output blank: what is wrong, then the text. */
  private fail(what: string): void {
    this.clear();
    shell(this.element, '').root.append(banner(what, 'Run the cell again.', icon('error')));
    this.element.append(h('pre', {}, this.fallback()));
  }
}
