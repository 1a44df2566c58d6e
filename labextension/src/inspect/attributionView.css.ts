import { css } from '../ui/css.js';
import { GAIN_AND_LOSS_STYLE, READING_TEXT_STYLE } from './readingText.css.js';

const RULES = css`
  .text {
    line-height: 29px;
    max-height: 50vh;
    margin: 6px 0 10px;
  }
  .text .s {
    border: 1px solid var(--llm-line2);
    font-size: 11px;
    padding: 0 4px;
    color: var(--llm-fg2);
  }
  .text .q {
    color: var(--llm-fg3);
  }
  .why {
    font-size: 15px;
    margin: 6px 0;
  }
  .next {
    border-bottom: 2px solid var(--llm-accent);
  }
  .bars div {
    display: grid;
    grid-template-columns: 36px 110px 1fr 74px minmax(0, 200px);
    gap: 10px;
    align-items: center;
    height: 24px;
    border-bottom: 1px solid var(--llm-line);
  }
  .bars .n {
    text-align: right;
  }
  .bars b {
    text-align: right;
  }
  .bars .scale {
    position: relative;
    height: 10px;
    background: linear-gradient(
      90deg,
      transparent calc(50% - 0.5px),
      var(--llm-line2) 0 calc(50% + 0.5px),
      transparent 0
    );
  }
  .bars .scale i {
    position: absolute;
    top: 0;
    height: 100%;
  }
  .bars .for {
    background: var(--llm-mass-4);
    left: 50%;
  }
  .bars .con {
    background: var(--llm-heat-4);
    right: 50%;
  }
  .bars code {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
`;

export const STYLE = READING_TEXT_STYLE + GAIN_AND_LOSS_STYLE + RULES;
