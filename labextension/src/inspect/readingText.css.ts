import { css } from '../ui/css.js';

/** A text with a span for each token; one of them is selected. */
export const READING_TEXT_STYLE = css`
  .text {
    font: 15px / 27px var(--llm-text);
    max-width: 41em;
    overflow: auto;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .text span {
    border-radius: 2px;
    cursor: default;
  }
  .text .at {
    outline: 2px solid var(--llm-accent);
    outline-offset: 1px;
  }
`;

/** Tokens that lost (l) or gained (g) probability, in three steps. */
export const GAIN_AND_LOSS_STYLE = css`
  .l1 {
    background: var(--llm-heat-1);
  }
  .l2 {
    background: var(--llm-heat-3);
    box-shadow: inset 0 -1px var(--llm-heat-line);
  }
  .l3 {
    background: var(--llm-heat-4);
    box-shadow: inset 0 -2px var(--llm-heat-line);
  }
  .g1 {
    background: var(--llm-mass-1);
  }
  .g2 {
    background: var(--llm-mass-3);
  }
  .g3 {
    background: var(--llm-mass-4);
  }
  :is(.l1, .l2, .l3, .g1, .g2, .g3) {
    color: var(--llm-on);
  }
`;
