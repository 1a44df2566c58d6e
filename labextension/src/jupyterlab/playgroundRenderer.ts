/** The playground as an output of JupyterLab and Notebook 7. */

import type { IRenderMime, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import type { Inspector, PlaygroundHost } from '../playground/host.js';
import { Playground } from '../playground/playgroundView.js';
import { PLAYGROUND_MIME } from '../protocol/mime.js';
import { type PlaygroundState, readPlayground } from '../protocol/playground.js';
import type { KernelConnection } from './kernelConnection.js';
import { MarkdownText } from './markdownText.js';
import { NestedView } from './nestedView.js';
import { insertCells, type NotebookContext, writeOutput } from './notebookOutput.js';
import { playgroundLibrary } from './playgroundLibrary.js';

function inspectorOf(connection: KernelConnection): Inspector {
  const view = new NestedView(connection);
  return {
    node: view.node,
    open: (record, name, path) => view.open(record, { type: 'inspection.open', view: name, path }),
    dispose: () => view.dispose(),
  };
}

export class PlaygroundRenderer extends Widget implements IRenderMime.IRenderer {
  private view: Playground | undefined;
  private played = '';
  private model: IRenderMime.IMimeModel | undefined;

  private readonly texts = new Map<HTMLElement, MarkdownText>();
  private slots = 0;

  constructor(
    private readonly place: NotebookContext | undefined,
    private readonly registry: IRenderMimeRegistry,
  ) {
    super();
    this.addClass('llm-magics-playground');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.model = model;
    const state = readPlayground(model.data[PLAYGROUND_MIME]);
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
    for (const text of this.texts.values()) text.dispose();
    this.texts.clear();
  }

  private markdown(element: HTMLElement, text: string): void {
    for (const [old, rendered] of this.texts)
      if (!old.isConnected) {
        rendered.dispose();
        this.texts.delete(old);
      }
    const rendered =
      this.texts.get(element) ?? new MarkdownText(this.registry, this.node, `turn-${this.slots++}`);
    this.texts.set(element, rendered);
    rendered.show(element, text, false); // not trusted: the notebook's file may come from anybody
  }

  private host(place: NotebookContext): PlaygroundHost {
    const { connection, panel } = place;
    const same = (data: Record<string, unknown> | undefined) =>
      (data?.[PLAYGROUND_MIME] as PlaygroundState | undefined)?.id === this.played;
    return {
      get availability() {
        return connection.availability;
      },
      answers: connection.answers,
      send: order => connection.send(order),
      onAvailability: listener => connection.onAvailability(listener),
      onPlay: listener => connection.onPlay(listener),
      write: bundle => writeOutput(place, this.model, same, bundle),
      insertCells: sources => insertCells(panel, this.node, sources),
      inspector: () => inspectorOf(connection),
      library: playgroundLibrary(),
    };
  }
}
