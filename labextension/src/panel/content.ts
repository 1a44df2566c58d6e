/** What the panel of models is given, and what it may ask for. */

import type { CacheListing, PanelState } from '../protocol/panel.js';

/** What stands in the panel; `state` is missing where no kernel with the extension is there. */
export interface PanelContent {
  /** The notebook whose kernel is shown; empty where there is none. */
  notebook: string;
  kernel: 'none' | 'silent' | 'ready';
  state?: PanelState;
  cache?: CacheListing;
  /** Where the cache is. */
  place: 'kernel' | 'server';
  failed?: { what: string; hint: string };
  ghost?: { on: boolean; available: boolean };
}

export interface PanelHost {
  use(name: string): void;
  adapt(name: string | null, strength: number): void;
  stop(job: string): void;
  pause(job: string, on: boolean): void;
  remove(key: string): void;
  refresh(): void;
  playground(): void;
  ghost(on: boolean): void;
  dismiss(): void;
  /** Translate a text; %1 stands for the first value. */
  translate(text: string, ...values: string[]): string;
}
