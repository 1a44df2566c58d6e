import { emptyRecord, type GenerationRecord } from '../src/protocol/record.js';
import type { Token } from '../src/protocol/token.js';

/** A token with two alternatives; the first is its own. */
export function token(text: string, logprob = -0.5, id = text.length + 1): Token {
  const alternatives = [
    { id, text, logprob },
    { id: id + 1000, text: `${text}!`, logprob: -2 },
  ];
  return { id, text, logprob, entropy: 1, rank: 0, alternatives, time: 0 };
}

export function record(...tokens: Token[]): GenerationRecord {
  const text = tokens.map(item => item.text).join('');
  return { ...emptyRecord(), tokens, text, stop_reason: 'length', prompt: 'p', vocab_size: 49152 };
}

/** What stands in the shadow root of a view. */
export function inside(element: HTMLElement): ShadowRoot {
  return element.querySelector('[data-llm-view]')!.shadowRoot!;
}
