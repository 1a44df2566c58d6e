/** Ghost text is off until it is asked for: in the settings of the inline completer, in the panel of models, or by
 * a command. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ICompletionProviderManager } from '@jupyterlab/completer';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { connectionOf } from '../kernelConnection.js';
import { GHOST_ID, GhostProvider } from './provider.js';

const COMMAND = 'llm-magics:toggle-ghost-text';
const ENTRY_MS = 300; // a cell that is only passed by is not read
const COMPLETER = '@jupyterlab/completer-extension:inline-completer';

type Providers = Record<string, Record<string, unknown> | undefined>;

/** Whether ghost text is on, and how it is turned on and off: a setting of the host. */
export class GhostSwitch {
  private settings: ISettingRegistry.ISettings | undefined;
  private readonly listeners = new Set<() => void>();

  constructor(
    registry: ISettingRegistry | null,
    readonly provider: GhostProvider,
    restored: Promise<unknown>,
  ) {
    // The host completes these settings by itself, which it is ready for when it is restored.
    void restored
      .then(() => registry?.load(COMPLETER))
      .then(settings => {
        this.settings = settings;
        settings?.changed.connect(() => this.tell());
        this.tell();
      })
      .catch(() => undefined); // a host without the inline completer
  }

  get available(): boolean {
    return this.settings !== undefined;
  }

  get on(): boolean {
    return this.providers[GHOST_ID]?.enabled === true;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async set(enabled: boolean): Promise<void> {
    const own = { ...this.provider.schema.default, ...this.providers[GHOST_ID], enabled };
    await this.settings?.set('providers', { ...this.providers, [GHOST_ID]: own } as never);
  }

  private get providers(): Providers {
    return (this.settings?.composite.providers ?? {}) as Providers;
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

/** Read a cell ahead when it is entered: the first suggestion then waits for little. */
function warmOnEntry(tracker: INotebookTracker, toggle: GhostSwitch): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  tracker.activeCellChanged.connect(() => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const panel = tracker.currentWidget;
      if (toggle.on && panel) toggle.provider.warm(panel);
    }, ENTRY_MS);
  });
}

let shared: GhostSwitch | undefined;
/** The switch, for the panel of models; undefined where the plugin is disabled. */
export const ghostSwitch = (): GhostSwitch | undefined => shared;

export const ghostPlugin: JupyterFrontEndPlugin<void> = {
  id: 'open-llm-magics:ghost-text',
  description: 'Suggests text at the cursor, from the model of the kernel.',
  autoStart: true,
  optional: [ICompletionProviderManager, ISettingRegistry, INotebookTracker, ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    manager: ICompletionProviderManager | null,
    registry: ISettingRegistry | null,
    tracker: INotebookTracker | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ) => {
    if (!manager) return;
    const trans = (translator ?? nullTranslator).load('open_llm_magics');
    const provider = new GhostProvider(connectionOf);
    // While plugins are activated: JupyterLab collects the settings of providers once.
    manager.registerInlineProvider(provider);
    const toggle = new GhostSwitch(registry, provider, app.restored);
    shared = toggle;
    if (tracker) warmOnEntry(tracker, toggle);
    app.commands.addCommand(COMMAND, {
      label: () => (toggle.on ? trans.__('Turn Ghost Text Off') : trans.__('Turn Ghost Text On')),
      caption: trans.__('Suggest text at the cursor, from the model of the notebook'),
      isEnabled: () => toggle.available,
      execute: () => toggle.set(!toggle.on),
    });
    toggle.onChange(() => app.commands.notifyCommandChanged(COMMAND));
    palette?.addItem({ command: COMMAND, category: trans.__('Language Models') });
  },
};
