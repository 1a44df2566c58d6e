import type { Channel } from '../protocol/messages.js';
import type { PlaygroundMessage, Settings } from '../protocol/playground.js';
import type { StreamStore } from '../protocol/streams.js';

/** Opens inspections of one answer, in an element of its own. */
export interface Inspector {
  node: HTMLElement;
  open(record: unknown, view: string, path: number): void;
  dispose(): void;
}

/** Sampling settings by a name. */
export interface Preset {
  name: string;
  settings: Partial<Settings>;
}

export interface SavedPrompt {
  name: string;
  text: string;
}

/** What the user keeps for all playgrounds. */
export interface Library {
  readonly presets: readonly Preset[];
  readonly prompts: readonly SavedPrompt[];
  save(what: { presets?: Preset[]; prompts?: SavedPrompt[] }): void;
  onChange(listener: () => void): () => void;
}

/** Where a playground is shown. */

export interface PlaygroundHost extends Channel {
  answers: StreamStore;
  onPlay(listener: (message: PlaygroundMessage) => void): () => void;
  /** Put cells below, and show them; gives what takes them away again. Absent where the host can't. */
  insertCells?: (sources: string[]) => () => void;
  /** Open inspections of an answer below it. Absent where the host can't. */
  inspector?: () => Inspector;
  /** Presets and prompts that outlive the notebook. Absent where the host can't. */
  library?: Library;
  /** Keep the conversation in the notebook. */
  write?: (bundle: Record<string, unknown>) => void;
}
