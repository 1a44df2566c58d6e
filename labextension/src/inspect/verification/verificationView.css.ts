import { css } from '../../ui/css.js';
import { READING_TEXT_STYLE } from '../readingText.css.js';
import { COLUMNS_STYLE } from '../sideBySide/sideBySideView.css.js';

const RULES = css`
  .totals {
    align-items: center;
  }
  .stack {
    display: flex;
    min-width: 180px;
    max-width: 320px;
    flex: 1;
    font: 11px / 18px var(--llm-ui);
    color: var(--llm-on);
  }
  .part {
    padding: 0 6px;
    min-width: 30px;
    white-space: nowrap;
  }
  .part.equal {
    background: var(--llm-track);
  }
  .part.close {
    background: var(--llm-mass-2);
  }
  .part.drifted {
    background: var(--llm-heat-4);
    box-shadow: inset 0 -2px var(--llm-heat-line);
    font-weight: 700;
  }
  .part.not-run {
    border: 1px dashed var(--llm-line2);
    color: var(--llm-fg2);
  }
  .line {
    display: grid;
    grid-template-columns: 12px 46px minmax(90px, 2fr) minmax(90px, 1.3fr) 84px 50px 122px 92px;
    gap: 0 8px;
    padding: 4px 0;
    border-bottom: 1px solid var(--llm-line);
    font-size: 12px;
    align-items: baseline;
    cursor: default;
  }
  .line > span {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .line.head {
    color: var(--llm-fg2);
    font-size: 11px;
  }
  .line.opened,
  .details {
    background: var(--llm-cell);
  }
  .line .n {
    text-align: right;
  }
  .line.head span:is(:nth-child(6), :nth-child(8)) {
    text-align: right;
  }
  .line .told {
    grid-column: 3 / -1;
    color: var(--llm-fg2);
    white-space: normal;
  }
  .line .told:empty {
    display: none;
  }
  .outcome.drifted {
    font-weight: 700;
    color: var(--llm-heat-line);
    box-shadow: inset 0 -2px var(--llm-heat-line);
    justify-self: start;
  }
  .outcome.not-run {
    color: var(--llm-fg2);
  }
  .outcome b {
    display: inline-block;
    width: 1em;
  }
  .details {
    padding: 8px 12px 12px 20px;
    border-bottom: 1px solid var(--llm-line);
  }
  @container (max-width: 640px) {
    .line {
      grid-template-columns: 12px 46px 1fr auto;
    }
    .line.head,
    .line .model,
    .line > span:nth-child(5),
    .line > span:nth-child(6) {
      display: none;
    }
    .line .asks {
      grid-column: 3 / 5;
    }
    .line .outcome {
      grid-column: 3;
    }
    .line > span:nth-child(8) {
      grid-column: 4;
    }
  }
`;

export const STYLE = READING_TEXT_STYLE + COLUMNS_STYLE + RULES;
