/** A tuning run as an output of JupyterLab and Notebook 7. */

import type { IRenderMime } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { icon } from '../dom.js';
import { readTuning, type TuneHost, type TuneOrder } from '../tuning.js';
import { banner } from '../views/shell.js';
import { Tuning } from '../views/tuning.js';
import { type Place, writeOnce, writeOutput } from './place.js';

export const MIME = 'application/vnd.llm-magics.tuning+json';

export class TuneView extends Widget implements IRenderMime.IRenderer {
  private view: Tuning | undefined;
  private shown = '';
  private model: IRenderMime.IMimeModel | undefined;
  private off: (() => void)[] = [];
  private asked = '';

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
        if (news.do === 'failed') this.say(news.what, news.hint);
        if (news.do === 'gone')
          this.say('The kernel was restarted: this run is only a picture now.', 'Run the cell again.');
      }),
      place.connection.onReach(() => {
        this.view?.update(readTuning(this.model?.data[MIME]), this.host());
        this.recover(place);
      }),
    );
    this.recover(place);
  }

  private hear(place: Place, bundle: Record<string, unknown>): void {
    const before = this.model?.data[MIME];
    writeOnce(
      place,
      () => this.model?.data[MIME] === before,
      () => this.write(bundle),
    );
  }

  /** The page was loaded again in the middle, and the end of the cell was not heard: ask once it is done. */
  private recover(place: Place): void {
    const record = readTuning(this.model?.data[MIME]);
    const status = place.panel.sessionContext.session?.kernel?.status;
    if (record.final || status !== 'idle' || this.asked === record.id) return;
    this.asked = record.id;
    place.connection.send({ do: 'tune', id: record.id, act: 'show' });
  }

  private host(): TuneHost {
    const connection = this.place?.connection;
    if (!connection || connection.reach === 'none') return {};
    const { shown } = this;
    return {
      order: (order: TuneOrder) => {
        for (const old of this.node.querySelectorAll('.llm-magics-said')) old.remove();
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

  private say(what: string, hint: string): void {
    const words = banner(what, hint, icon('error'));
    words.classList.add('llm-magics-said');
    this.node.append(words);
  }
}
