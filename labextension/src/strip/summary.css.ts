import { css } from '../ui/css.js';
import { DETAILS_STYLE } from '../ui/recordDetails.css.js';

const RULES = css`
  .summary {
    display: flex;
    flex-wrap: wrap;
    gap: 6px 8px;
    align-items: center;
    margin: 8px 0 4px;
    color: var(--llm-fg2);
  }
  .summary b {
    color: var(--llm-fg);
    font-weight: 600;
  }
  .summary .chips {
    margin-left: auto;
    display: flex;
    flex-wrap: wrap;
    justify-content: flex-end;
    gap: 6px;
    align-items: center;
  }
  .afloat {
    position: relative;
    z-index: 5;
    background: var(--llm-bg);
    padding: 4px 0;
  }
  .tag.stale {
    border-color: var(--llm-warn-line);
    background: var(--llm-warn);
    display: inline-flex;
    gap: 4px;
    align-items: center;
  }
  .dot {
    width: 7px;
    height: 7px;
    border-radius: 4px;
    background: var(--llm-accent);
  }
`;

export const SUMMARY_STYLE = DETAILS_STYLE + RULES;
