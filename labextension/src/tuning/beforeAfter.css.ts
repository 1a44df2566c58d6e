import { css } from '../ui/css.js';

export const BEFORE_AFTER_STYLE = css`
  .pair {
    display: grid;
    grid-template-columns: 1fr 1fr;
    gap: 24px;
  }
  .side {
    border-left: 3px solid var(--llm-line2);
    padding: 2px 0 2px 16px;
    min-width: 0;
  }
  .side.after {
    border-color: var(--llm-mass-solid);
  }
  .side .body {
    font: 15px / 27px var(--llm-text);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    max-width: 41em;
  }
  .gone {
    text-decoration: underline dotted;
    text-decoration-thickness: 2px;
    text-underline-offset: 4px;
  }
  .come {
    background: var(--llm-mass-2);
    color: var(--llm-on);
    border-bottom: 2px solid var(--llm-mass-line);
    border-radius: 2px;
  }
`;
