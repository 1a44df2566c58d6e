/** The JupyterLab plugin; Notebook 7 runs it too. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { ILSPCodeExtractorsManager } from '@jupyterlab/lsp';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { GENERATION_MIME, INSPECTION_MIME, PLAYGROUND_MIME, TUNING_MIME } from '../protocol/mime.js';
import { highlightPrompts } from './cells/cellHighlighting.js';
import { commandsPlugin } from './cells/commands.js';
import { promptExtractor } from './cells/promptExtractor.js';
import { ERROR_MIME, ErrorRenderer } from './errorRenderer.js';
import { GenerationRenderer } from './generationRenderer.js';
import { ghostPlugin } from './ghost/plugin.js';
import { InspectionRenderer } from './inspectionRenderer.js';
import { connectionOf } from './kernelConnection.js';
import type { NotebookContext } from './notebookOutput.js';
import { panelPlugin } from './panel/plugin.js';
import { playgroundPlugin } from './playgroundLibrary.js';
import { PlaygroundRenderer } from './playgroundRenderer.js';
import { TuningRenderer } from './tuningRenderer.js';

/** Before anywidget's view (−10), which shows nothing where its kernel is gone. */
const RANK = -20;

function addTo(registry: IRenderMimeRegistry, place?: NotebookContext): void {
  registry.addFactory(
    {
      safe: true,
      mimeTypes: [GENERATION_MIME],
      defaultRank: RANK,
      createRenderer: () => new GenerationRenderer(place, registry),
    },
    RANK,
  );
  registry.addFactory(
    {
      safe: true,
      mimeTypes: [PLAYGROUND_MIME],
      defaultRank: RANK,
      createRenderer: () => new PlaygroundRenderer(place, registry),
    },
    RANK,
  );
  registry.addFactory(
    {
      safe: true,
      mimeTypes: [INSPECTION_MIME],
      defaultRank: RANK,
      createRenderer: () => new InspectionRenderer(place),
    },
    RANK,
  );
  registry.addFactory(
    {
      safe: true,
      mimeTypes: [TUNING_MIME],
      defaultRank: RANK,
      createRenderer: () => new TuningRenderer(place),
    },
    RANK,
  );
  registry.addFactory(
    {
      safe: true,
      mimeTypes: [ERROR_MIME],
      defaultRank: RANK,
      createRenderer: () => new ErrorRenderer(place, registry),
    },
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

const languageServers: JupyterFrontEndPlugin<void> = {
  id: 'open-llm-magics:language-servers',
  description: 'Keeps %%llm cells out of the Python that language servers check.',
  autoStart: true,
  optional: [ILSPCodeExtractorsManager],
  activate: (_: JupyterFrontEnd, extractors: ILSPCodeExtractorsManager | null) =>
    extractors?.register(promptExtractor, 'python'),
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

export default [plugin, prompts, languageServers, commandsPlugin, ghostPlugin, panelPlugin, playgroundPlugin];
