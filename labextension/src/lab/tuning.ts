/** A tuning run as an output of JupyterLab and Notebook 7. */

import type { IRenderMime } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { readTuning, type TuneHost, type TuneOrder } from '../tuning.js';
import { say, unsay } from '../views/shell.js';
import { Tuning } from '../views/tuning.js';
import { type Place, writeOnce, writeOutput } from './place.js';

export const MIME = 'application/vnd.llm-magics.tuning+json';

export class TuneView extends Widget implements IRenderMime.IRenderer {
  private view: Tuning | undefined;
  private shown = '';
  private model: IRenderMime.IMimeModel | undefined;
  private off: (() => void)[] = [];
  private asked = '';
  /** The kernel has this run; what it has lost takes no orders. */
  private known = false;
  private pressed = false;

  constructor(private readonly place: Place | undefined) {
    super();
    this.addClass('llm-magics-tuning');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    const record = readTuning(model.data[MIME]);
    if (record.id !== this.shown) this.listen(record.id);
    if (this.view) this.view.update(record, this.host());
    else this.view = new Tuning(record, this.node, this.host());
  }

  override dispose(): void {
    for (const off of this.off.splice(0)) off();
    this.view?.dispose();
    super.dispose();
  }

  private listen(id: string): void {
    for (const off of this.off.splice(0)) off();
    this.shown = id;
    const { place } = this;
    if (!place || !id) return;
    this.off.push(
      place.connection.answers.listen(id, news => {
        if (news.do === 'record') this.hear(place, news.bundle);
        if (news.do === 'failed') say(this.node, news.what, news.hint);
        if (news.do === 'gone' && this.pressed)
          say(this.node, 'The kernel no longer has this run.', 'Run the cell again to change it.');
        if (news.do === 'gone' || news.do === 'known') this.know(news.do === 'known');
      }),
      place.connection.onReach(() => {
        if (place.connection.reach === 'none') {
          this.known = false;
          this.asked = '';
        }
        this.redraw();
        this.recover(place);
      }),
      place.connection.onLoad(() => {
        this.asked = '';
        this.known = false;
        this.recover(place);
      }),
    );
    this.recover(place);
  }

  private know(known: boolean): void {
    this.known = known;
    this.redraw();
  }

  private redraw(): void {
    this.view?.update(readTuning(this.model?.data[MIME]), this.host());
  }

  private hear(place: Place, bundle: Record<string, unknown>): void {
    this.known = true;
    const before = this.model?.data[MIME];
    writeOnce(
      place,
      () => this.model?.data[MIME] === before,
      () => this.write(bundle),
    );
  }

  /**
   * Ask the kernel once, when it is idle. Is the run still there? And where the end of the cell was not heard,
   * because the page was loaded again in the middle: how did it end?
   */
  private recover(place: Place): void {
    const record = readTuning(this.model?.data[MIME]);
    const status = place.panel.sessionContext.session?.kernel?.status;
    if (status !== 'idle' || this.asked === record.id) return;
    this.asked = record.id;
    place.connection.send({ do: 'tune', id: record.id, act: record.final ? 'ask' : 'show' });
  }

  private host(): TuneHost {
    const connection = this.place?.connection;
    if (!connection || connection.reach === 'none') return {};
    const { shown } = this;
    if (!this.known && readTuning(this.model?.data[MIME]).final) return {};
    return {
      order: (order: TuneOrder) => {
        this.pressed = true;
        unsay(this.node);
        if (order.act === 'stop' && connection.reach === 'queued') connection.stop(shown);
        else connection.send({ do: 'tune', id: shown, ...order });
      },
    };
  }

  private write(bundle: Record<string, unknown>): void {
    const same = (data: Record<string, unknown> | undefined) =>
      (data?.[MIME] as { id?: string } | undefined)?.id === this.shown;
    if (this.place) writeOutput(this.place, this.model, same, bundle);
  }
}
