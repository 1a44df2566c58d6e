/** The JupyterLab plugin; Notebook 7 runs it too. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Connection } from './connection.js';
import { highlightPrompts } from './highlight.js';
import { MIME as INSIDE, InsideView } from './inside.js';
import type { Place } from './place.js';
import { MIME as PLAYGROUND, PlaygroundView } from './playground.js';
import { MIME, RecordView } from './renderer.js';
import { MIME as TUNING, TuneView } from './tuning.js';

/** Before anywidget's view (−10), which shows nothing where its kernel is gone. */
const RANK = -20;

const connections = new WeakMap<object, Connection>();

/** One a session: two views of a notebook share it. */
function connectionOf(panel: NotebookPanel): Connection {
  const { sessionContext } = panel;
  let found = connections.get(sessionContext);
  if (!found) {
    found = new Connection(sessionContext);
    connections.set(sessionContext, found);
  }
  return found;
}

function addTo(registry: IRenderMimeRegistry, place?: Place): void {
  registry.addFactory(
    {
      safe: true,
      mimeTypes: [MIME],
      defaultRank: RANK,
      createRenderer: () => new RecordView(place, registry),
    },
    RANK,
  );
  registry.addFactory(
    {
      safe: true,
      mimeTypes: [PLAYGROUND],
      defaultRank: RANK,
      createRenderer: () => new PlaygroundView(place, registry),
    },
    RANK,
  );
  registry.addFactory(
    { safe: true, mimeTypes: [INSIDE], defaultRank: RANK, createRenderer: () => new InsideView(place) },
    RANK,
  );
  registry.addFactory(
    { safe: true, mimeTypes: [TUNING], defaultRank: RANK, createRenderer: () => new TuneView(place) },
    RANK,
  );
}

const prompts: JupyterFrontEndPlugin<void> = {
  id: 'open-llm-magics:prompts',
  description: 'Shows %%llm cells as prose.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, IEditorLanguageRegistry],
  activate: (_: JupyterFrontEnd, extensions: IEditorExtensionRegistry, languages: IEditorLanguageRegistry) =>
    highlightPrompts(extensions, languages),
};

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'open-llm-magics:views',
  description: 'Shows the tokens that a language model weighed.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (app: JupyterFrontEnd, registry: IRenderMimeRegistry) => {
    addTo(registry);
    app.docRegistry.addWidgetExtension('Notebook', {
      createNew: panel => {
        const notebook = panel as NotebookPanel;
        addTo(notebook.content.rendermime, { panel: notebook, connection: connectionOf(notebook) });
      },
    });
  },
};

export default [plugin, prompts];
