import { css } from '../ui/css.js';
import { READING_TEXT_STYLE } from './readingText.css.js';

const RULES = css`
  .text {
    line-height: 29px;
    max-height: 60vh;
    margin: 8px 0;
  }
  .text .given {
    color: var(--llm-fg2);
  }
  .text .run {
    box-shadow: inset 0 -2px var(--llm-mass-solid);
  }
  .text .turn {
    border-left: 2px solid var(--llm-heat-solid);
    margin: 0 1px;
  }
  .lead {
    font-size: 15px;
  }
`;

export const STYLE = READING_TEXT_STYLE + RULES;
