import type { GenerationRecord } from '../protocol/record.js';

export interface StripHost {
  /** Show the answer as rendered Markdown in an element, also while it grows; false where the host can't. */
  markdown?: (element: HTMLElement, record: GenerationRecord) => boolean;
  /** Go on from another token; absent where there is no kernel. */
  readonly branch?: (parent: number, at: number, token: number | string) => void;
  /** Go on with a path that was cut off; absent where there is no kernel. */
  readonly extend?: (path: number) => void;
  /** Look inside: show another view of this record; absent where there is no kernel. */
  readonly inspect?: (view: string, path: number) => void;
  stop?: () => void;
  /** Another branch is looked at now. */
  onPath?: (path: number) => void;
}
/** How a view that grows stands. */

export interface StreamStatus {
  /** At most so many tokens. */
  maxTokens: number;
  status?: string;
}
