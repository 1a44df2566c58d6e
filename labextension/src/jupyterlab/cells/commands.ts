/** Commands of the palette, the cell toolbar, the context menu and the launcher. None of them runs a cell of the
 * user's; "Explain this error" puts a cell below. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import type { Cell } from '@jupyterlab/cells';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { GENERATION_MIME } from '../../protocol/mime.js';
import type { Outputs } from '../notebookOutput.js';

const SHOW = 'llm-magics:show-tokens';
const EXPLAIN = 'llm-magics:explain-error';
export const PLAYGROUND = 'llm-magics:playground';
const CATEGORY = 'Language Models';

interface CodeModel {
  type: string;
  executionCount: number | null;
  outputs?: Outputs & { changed: { connect(slot: () => void): void; disconnect(slot: () => void): void } };
}

const modelOf = (cell: Cell | null): CodeModel | undefined =>
  cell?.model.type === 'code' ? (cell.model as unknown as CodeModel) : undefined;

/** The outputs of a cell that hold a finished answer, and whether they are shown as tokens. */
function answersOf(cell: Cell | null): { at: number; tokens: boolean }[] {
  const outputs = modelOf(cell)?.outputs;
  return Array.from({ length: outputs?.length ?? 0 }, (_, at) => at).flatMap(at => {
    const payload = outputs!.get(at).data?.[GENERATION_MIME] as
      | { view?: string; data?: unknown; kind?: string }
      | undefined;
    return payload?.data && payload.kind !== 'trace' ? [{ at, tokens: payload.view === 'tokens' }] : [];
  });
}

const hasError = (cell: Cell | null): boolean => {
  const outputs = modelOf(cell)?.outputs;
  return Array.from({ length: outputs?.length ?? 0 }, (_, at) => outputs!.get(at).type).includes('error');
};

/** Show the answers of a cell as tokens, or as text again; the notebook keeps it. */
function toggleTokens(cell: Cell | null): void {
  const outputs = modelOf(cell)?.outputs;
  const answers = answersOf(cell);
  const tokens = answers.some(answer => !answer.tokens);
  for (const { at } of answers) {
    const output = outputs!.get(at);
    const payload = output.data![GENERATION_MIME] as object;
    const data = { ...output.data, [GENERATION_MIME]: { ...payload, view: tokens ? 'tokens' : 'text' } };
    outputs!.set(at, { ...output.toJSON(), data });
  }
}

/** Put a cell below the active one, without running it. */
function insertBelow(panel: NotebookPanel, source: string): void {
  const at = panel.content.activeCellIndex + 1;
  panel.content.model?.sharedModel.insertCell(at, { cell_type: 'code', source });
  panel.content.activeCellIndex = at;
  panel.content.mode = 'edit';
}

/** A playground in a new notebook, or at the end of the one that is open. */
async function openPlayground(app: JupyterFrontEnd, panel: NotebookPanel | null): Promise<void> {
  const { commands, serviceManager } = app;
  if (panel) {
    const { model } = panel.content;
    const at = model?.sharedModel.cells.length ?? 0;
    model?.sharedModel.insertCell(at, { cell_type: 'code', source: '%load_ext llm_magics\n%llm playground' });
    panel.content.activeCellIndex = at;
    return void (await commands.execute('notebook:run-cell'));
  }
  await serviceManager.kernelspecs.ready;
  const kernelName = serviceManager.kernelspecs.specs?.default;
  const made: NotebookPanel = await commands.execute('notebook:create-new', { kernelName, activate: true });
  await made.context.ready;
  await made.sessionContext.ready;
  made.content.model?.sharedModel.getCell(0)?.setSource('%load_ext llm_magics\n%llm playground');
  made.content.activeCellIndex = 0;
  await commands.execute('notebook:run-cell');
}

function addCommands(app: JupyterFrontEnd, tracker: INotebookTracker, trans: TranslationBundle): void {
  const { commands } = app;
  const cell = (): Cell | null => tracker.activeCell;
  commands.addCommand(SHOW, {
    label: () =>
      answersOf(cell()).some(answer => !answer.tokens) ? trans.__('Show Tokens') : trans.__('Show as Text'),
    caption: trans.__('Show how likely each token of the answer was'),
    isEnabled: () => answersOf(cell()).length > 0,
    isVisible: () => answersOf(cell()).length > 0,
    execute: () => toggleTokens(cell()),
  });
  commands.addCommand(EXPLAIN, {
    label: trans.__('Explain This Error'),
    caption: trans.__('Put a cell below that asks the model to correct the error; it does not run by itself'),
    isEnabled: () => hasError(cell()),
    isVisible: () => hasError(cell()),
    execute: () => {
      const panel = tracker.currentWidget;
      const number = modelOf(cell())?.executionCount;
      if (panel) insertBelow(panel, `%llm fix${number ? ` ${number}` : ''}`);
    },
  });
  commands.addCommand(PLAYGROUND, {
    label: args => (args.isLauncher ? trans.__('Model Playground') : trans.__('Open a Model Playground')),
    caption: trans.__('Chat with a language model on this machine, and see its tokens'),
    execute: args => openPlayground(app, args.isLauncher ? null : tracker.currentWidget),
  });
}

/** Tell the toolbar when another cell is active, and when its outputs change. */
function follow(app: JupyterFrontEnd, tracker: INotebookTracker): void {
  const changed = () => {
    for (const id of [SHOW, EXPLAIN]) app.commands.notifyCommandChanged(id);
  };
  let outputs: CodeModel['outputs'];
  tracker.activeCellChanged.connect((_, cell) => {
    outputs?.changed.disconnect(changed);
    outputs = modelOf(cell)?.outputs;
    outputs?.changed.connect(changed);
    changed();
  });
}

export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'open-llm-magics:commands',
  description: 'Adds buttons and commands for cells of %%llm.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ILauncher, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    translator: ITranslator | null,
  ) => {
    const trans = (translator ?? nullTranslator).load('open_llm_magics');
    addCommands(app, tracker, trans);
    follow(app, tracker);
    for (const command of [SHOW, EXPLAIN, PLAYGROUND])
      palette?.addItem({ command, category: trans.__(CATEGORY) });
    launcher?.add({ command: PLAYGROUND, category: trans.__('Other'), rank: 10, args: { isLauncher: true } });
  },
};
