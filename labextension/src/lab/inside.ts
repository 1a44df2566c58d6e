/** A view of the inside as an output of JupyterLab and Notebook 7. */

import type { IRenderMime } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { h } from '../dom.js';
import type { Act, KeptLook, LookHost } from '../inside.js';
import { Opened } from '../views/inside/open.js';
import { say, unsay } from '../views/shell.js';
import { MIME } from './below.js';
import { Looks } from './looks.js';
import { type Place, writeOutput } from './place.js';

export { MIME };

export class InsideView extends Widget implements IRenderMime.IRenderer {
  private readonly main = h('div');
  private readonly below = h('div');
  private readonly opened = new Opened(this.main, () => this.text());
  private readonly full = new Opened(this.below, () => '');
  private model: IRenderMime.IMimeModel | undefined;
  private kept: KeptLook = {};
  private readonly looks: Looks | undefined;
  private off: (() => void)[] = [];

  constructor(private readonly place: Place | undefined) {
    super();
    this.addClass('llm-magics-inside');
    this.node.append(this.main, this.below);
    this.looks = place && new Looks(place.connection);
    if (place) this.off.push(place.connection.onReach(() => void this.draw()));
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    this.kept = (model.data[MIME] ?? {}) as KeptLook;
    await this.draw();
  }

  override dispose(): void {
    for (const off of this.off.splice(0)) off();
    this.opened.dispose();
    this.full.dispose();
    super.dispose();
  }

  private draw(): Promise<void> {
    return this.opened.show(this.kept, this.host(this.kept, false));
  }

  private text(): string {
    const text = this.model?.data['text/plain'];
    return typeof text === 'string' ? text : '';
  }

  /** What views may ask; those of `nested` records change what stands below. */
  private host(kept: KeptLook, nested: boolean): LookHost {
    const connection = this.place?.connection;
    if (!connection || connection.reach === 'none') return {};
    return {
      ask: act => this.ask(kept, act, nested),
      busy: this.looks?.busy,
      stop: () => this.looks?.stop(),
    };
  }

  private ask(kept: KeptLook, act: Act, nested: boolean): void {
    unsay(this.node);
    this.looks!.ask(kept, act, {
      busy: () => void this.draw(),
      failed: (what, hint) => {
        void this.draw();
        say(this.node, what, hint);
      },
      made: bundle => {
        const made = (bundle[MIME] ?? {}) as KeptLook;
        if (nested || act.do === 'open') void this.full.show(made, this.host(made, true));
        else this.write(bundle);
        void this.draw();
      },
    });
  }

  private write(bundle: Record<string, unknown>): void {
    const { data } = this.kept;
    const same = (each: Record<string, unknown> | undefined) =>
      !!data && (each?.[MIME] as KeptLook | undefined)?.data === data;
    if (this.place) writeOutput(this.place, this.model, same, bundle);
  }
}
