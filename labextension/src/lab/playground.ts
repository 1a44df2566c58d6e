/** The playground as an output of JupyterLab and Notebook 7. */

import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { type PlayHost, type PlayState, readPlay } from '../play.js';
import { Playground } from '../views/playground.js';
import { type Place, writeOutput } from './place.js';
import { Prose } from './prose.js';

export const MIME = 'application/vnd.llm-magics.playground+json';

export class PlaygroundView extends Widget implements IRenderMime.IRenderer {
  private view: Playground | undefined;
  private played = '';
  private model: IRenderMime.IMimeModel | undefined;

  private readonly prose = new Map<HTMLElement, Prose>();
  private slots = 0;

  constructor(
    private readonly place: Place | undefined,
    private readonly registry: IRenderMimeRegistry,
  ) {
    super();
    this.addClass('llm-magics-playground');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    const state = readPlay(model.data[MIME]);
    if (this.view && state.id === this.played) return; // it knows already: it wrote this itself
    this.view?.dispose();
    this.discard();
    this.played = state.id;
    const host = this.place ? this.host(this.place) : undefined;
    this.view = new Playground(state, this.node, host, (element, text) => this.markdown(element, text));
  }

  override dispose(): void {
    this.view?.dispose();
    this.discard();
    super.dispose();
  }

  private discard(): void {
    for (const prose of this.prose.values()) prose.dispose();
    this.prose.clear();
  }

  private markdown(element: HTMLElement, text: string): void {
    for (const [old, prose] of this.prose)
      if (!old.isConnected) {
        prose.dispose();
        this.prose.delete(old);
      }
    const prose = this.prose.get(element) ?? new Prose(this.registry, this.node, `turn-${this.slots++}`);
    this.prose.set(element, prose);
    prose.show(element, text, false); // not trusted: the notebook's file may come from anybody
  }

  private host(place: Place): PlayHost {
    const { connection, panel } = place;
    const same = (data: Record<string, unknown> | undefined) =>
      (data?.[MIME] as PlayState | undefined)?.id === this.played;
    return {
      get reach() {
        return connection.reach;
      },
      answers: connection.answers,
      send: order => connection.send(order),
      onReach: listener => connection.onReach(listener),
      onPlay: listener => connection.onPlay(listener),
      write: bundle => writeOutput(place, this.model, same, bundle),
      insertCells: sources => {
        const cells = panel.content.widgets;
        const at = cells.findIndex(cell => cell.node.contains(this.node));
        const shared = panel.content.model?.sharedModel;
        const first = (at < 0 ? cells.length - 1 : at) + 1;
        const ids = sources.map(
          (source, n) =>
            shared?.insertCell(first + n, {
              cell_type: 'code',
              source,
              metadata: {}, // not trusted: the notebook's file may come from anybody
            }).id,
        );
        panel.content.activeCellIndex = first;
        const cell = panel.content.widgets[first];
        if (cell) void panel.content.scrollToCell(cell, 'center');
        return () => {
          for (let n = (shared?.cells.length ?? 0) - 1; n >= 0; n--)
            if (ids.includes(shared!.getCell(n).id)) shared!.deleteCell(n);
        };
      },
    };
  }
}
