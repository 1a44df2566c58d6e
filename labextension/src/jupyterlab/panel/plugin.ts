/** The panel of models at the right, in JupyterLab and Notebook 7, and the item of the status bar. */

import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { LabIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import { PanelView } from '../../panel/panelView.js';
import type { CacheListing } from '../../protocol/panel.js';
import { PLAYGROUND } from '../cells/commands.js';
import { ghostSwitch } from '../ghost/plugin.js';
import { KernelState } from './kernelState.js';
import { deleteModel, listCache } from './serverCache.js';
import { StatusItem } from './statusItem.js';

const SHOW = 'llm-magics:show-panel';
const RANK = 900;

const icon = new LabIcon({
  name: 'llm-magics:models',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path class="jp-icon3" fill="#616161" d="M2 3h12v2H2zm0 4h8v2H2zm0 4h10v2H2z"/></svg>',
});

class ModelsPanel extends Widget {
  private readonly view: PanelView;
  private readonly kernel: KernelState | undefined;
  private serverCache: CacheListing | undefined;
  private asked = false;
  readonly listeners = new Set<() => void>();

  constructor(
    private readonly app: JupyterFrontEnd,
    tracker: INotebookTracker | null,
    translate: (text: string, ...values: string[]) => string,
  ) {
    super();
    this.id = 'llm-magics-models';
    this.node.style.overflow = 'auto';
    this.node.style.background = 'var(--jp-layout-color1)';
    this.title.icon = icon;
    this.title.caption = translate('Language models');
    this.view = new PanelView(this.node, {
      use: name => this.kernel?.send('use', { name }),
      adapt: (name, strength) => this.kernel?.send('adapter', { name, strength }),
      stop: job => this.stop(job),
      pause: (job, on) => this.kernel?.send(on ? 'pause' : 'resume', { job }),
      remove: key => void this.remove(key),
      refresh: () => this.refresh(),
      playground: () => void app.commands.execute(PLAYGROUND),
      ghost: on => void ghostSwitch()?.set(on),
      dismiss: () => {
        if (this.kernel) this.kernel.failed = undefined;
        this.draw();
      },
      translate,
    });
    this.kernel = tracker ? new KernelState(tracker, () => this.draw()) : undefined;
    ghostSwitch()?.onChange(() => this.draw());
    this.draw();
  }

  get state() {
    return this.kernel?.state;
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    this.view.focus();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.refresh();
  }

  private stop(id: string): void {
    const job = this.state?.jobs.find(item => item.id === id);
    if (job?.stop === 'interrupt') this.kernel?.interrupt();
    else this.kernel?.send('stop', { job: id });
  }

  private async remove(key: string): Promise<void> {
    if (this.kernel?.cache) return this.kernel.send('delete', { key });
    const what = await deleteModel(this.app.serviceManager.serverSettings, key);
    if (what && this.kernel) this.kernel.failed = { what, hint: 'Load the list again.' };
    await this.fetch();
  }

  private refresh(): void {
    this.kernel?.send('watch');
    this.kernel?.send('cache');
    void this.fetch();
  }

  private async fetch(): Promise<void> {
    this.asked = true;
    this.serverCache = await listCache(this.app.serviceManager.serverSettings);
    this.draw();
  }

  private draw(): void {
    const { kernel, view } = this;
    if (this.isDisposed) return;
    if (!kernel?.cache && !this.asked && this.isVisible) void this.fetch();
    const toggle = ghostSwitch();
    view.update({
      notebook: kernel?.notebook?.title.label ?? '',
      kernel: kernel?.kernel ?? 'none',
      state: kernel?.state,
      cache: kernel?.cache ?? this.serverCache,
      place: kernel?.cache ? 'kernel' : 'server',
      failed: kernel?.failed,
      ghost: toggle && { on: toggle.on, available: toggle.available },
    });
    for (const listener of this.listeners) listener();
  }
}

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'open-llm-magics:panel',
  description: 'Shows the model in use, what runs and what is in the cache.',
  autoStart: true,
  optional: [INotebookTracker, ICommandPalette, ILayoutRestorer, IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker | null,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    bar: IStatusBar | null,
    translator: ITranslator | null,
  ) => {
    const trans = (translator ?? nullTranslator).load('open_llm_magics');
    const translate = (text: string, ...values: string[]) => trans.__(text, ...values);
    const panel = new ModelsPanel(app, tracker, translate);
    app.shell.add(panel, 'right', { rank: RANK, type: 'Language models' });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(SHOW, {
      label: trans.__('Show Language Models'),
      caption: trans.__('Show the model in use, what runs and what is in the cache'),
      icon,
      execute: () => app.shell.activateById(panel.id),
    });
    palette?.addItem({ command: SHOW, category: trans.__('Language Models') });
    if (!bar || !tracker) return;
    const item = new StatusItem(() => void app.commands.execute(SHOW), trans.__('Show the language models'));
    panel.listeners.add(() => item.describe(panel.state));
    bar.registerStatusItem('llm-magics:model', {
      item,
      align: 'right',
      rank: 90,
      isActive: () => !!tracker.currentWidget,
      activeStateChanged: tracker.currentChanged as never,
    });
  },
};
