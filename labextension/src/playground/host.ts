import type { Channel } from '../protocol/messages.js';
import type { PlaygroundMessage } from '../protocol/playground.js';
import type { StreamStore } from '../protocol/streams.js';

/** Where a playground is shown. */

export interface PlaygroundHost extends Channel {
  answers: StreamStore;
  onPlay(listener: (message: PlaygroundMessage) => void): () => void;
  /** Put cells below, and show them; gives what takes them away again. Absent where the host can't. */
  insertCells?: (sources: string[]) => () => void;
  /** Keep the conversation in the notebook. */
  write?: (bundle: Record<string, unknown>) => void;
}
