/** Presets and prompts of the playground, in the settings of the host: they outlive notebooks. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { Library, Preset, SavedPrompt } from '../playground/host.js';

const ID = 'open-llm-magics:playground';

class SettingsLibrary implements Library {
  private readonly listeners = new Set<() => void>();

  constructor(private readonly settings: ISettingRegistry.ISettings) {
    settings.changed.connect(() => {
      for (const listener of this.listeners) listener();
    });
  }

  get presets(): readonly Preset[] {
    return (this.settings.composite.presets ?? []) as unknown as Preset[];
  }

  get prompts(): readonly SavedPrompt[] {
    return (this.settings.composite.prompts ?? []) as unknown as SavedPrompt[];
  }

  save(what: { presets?: Preset[]; prompts?: SavedPrompt[] }): void {
    for (const [name, items] of Object.entries(what)) void this.settings.set(name, items as never);
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

let library: Library | undefined;
/** The library; undefined until the settings are loaded, and where the host has none. */
export const playgroundLibrary = (): Library | undefined => library;

export const playgroundPlugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Keeps presets and prompts of the playground.',
  autoStart: true,
  optional: [ISettingRegistry],
  activate: async (_: JupyterFrontEnd, registry: ISettingRegistry | null) => {
    const settings = await registry?.load(ID).catch(() => undefined);
    if (settings) library = new SettingsLibrary(settings);
  },
};
