/** The playground as an output of JupyterLab and Notebook 7. */

import type { IRenderMime } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import { type PlayHost, type PlayState, readPlay } from '../play.js';
import { Playground } from '../views/playground.js';
import { type Place, writeOutput } from './place.js';

export const MIME = 'application/vnd.llm-magics.playground+json';

export class PlaygroundView extends Widget implements IRenderMime.IRenderer {
  private view: Playground | undefined;
  private played = '';
  private model: IRenderMime.IMimeModel | undefined;

  constructor(private readonly place: Place | undefined) {
    super();
    this.addClass('llm-magics-playground');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    const state = readPlay(model.data[MIME]);
    if (this.view && state.id === this.played) return; // it knows already: it wrote this itself
    this.view?.dispose();
    this.played = state.id;
    this.view = new Playground(state, this.node, this.place && this.host(this.place));
  }

  override dispose(): void {
    this.view?.dispose();
    super.dispose();
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
        for (const [n, source] of sources.entries())
          shared?.insertCell((at < 0 ? cells.length - 1 : at) + 1 + n, {
            cell_type: 'code',
            source,
            metadata: {}, // not trusted: the notebook's file may come from anybody
          });
      },
    };
  }
}
