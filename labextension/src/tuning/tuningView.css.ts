import { css } from '../ui/css.js';
import { DETAILS_STYLE } from '../ui/recordDetails.css.js';
import { BEFORE_AFTER_STYLE } from './beforeAfter.css.js';
import { CHART_STYLE } from './lossChart.css.js';

const RULES = css`
  .tuning {
    max-width: 1190px;
  }
  .head {
    display: flex;
    flex-wrap: wrap;
    gap: 8px 10px;
    align-items: center;
    margin: 4px 0 10px;
  }
  .head .right {
    margin-left: auto;
    display: flex;
    gap: 8px;
    flex-wrap: wrap;
  }
  .stage {
    font-size: 14px;
    font-weight: 600;
  }
  .light {
    width: 9px;
    height: 9px;
    border-radius: 5px;
    background: var(--llm-mass-solid);
  }
  .light.idle {
    background: var(--llm-fg3);
  }
  .light.bad {
    background: var(--llm-error-text);
  }
  .light.warned {
    background: var(--llm-heat-solid);
  }
  .tag {
    max-width: 26em;
    color: var(--llm-fg2);
  }
  .bars {
    display: grid;
    grid-template-columns: 1fr 1fr;
    gap: 8px 40px;
    margin: 0 0 12px;
  }
  .bar {
    height: 9px;
    border-radius: 2px;
    background: var(--llm-track);
    display: flex;
    overflow: hidden;
    margin: 4px 0;
  }
  .bar i {
    display: block;
    height: 100%;
  }
  .bar .s1 {
    background: var(--llm-mass-4);
  }
  .bar .s2 {
    background: var(--llm-mass-solid);
  }
  .bar .s3 {
    background: var(--llm-heat-4);
  }
  .paused .bar i {
    background: var(--llm-fg3);
  }
  .line {
    display: flex;
    justify-content: space-between;
    gap: 10px;
  }
  .line b,
  .foot b {
    font-weight: 600;
  }
  .keys {
    display: flex;
    gap: 14px;
    justify-content: flex-end;
    color: var(--llm-fg2);
    font-size: 11px;
    flex-wrap: wrap;
  }
  .keys i {
    display: inline-block;
    width: 9px;
    height: 9px;
    border-radius: 1px;
    margin-right: 5px;
  }
  .axis {
    color: var(--llm-fg2);
    margin: 6px 0 0;
  }
  .samples {
    display: flex;
    flex-wrap: wrap;
    gap: 8px 16px;
    align-items: center;
    margin: 10px 0;
  }
  .samples h4 {
    margin: 0;
    font-size: 13px;
    font-weight: 600;
  }
  .samples select {
    max-width: min(30em, 100%);
  }
  .slider {
    margin-left: auto;
    display: flex;
    gap: 10px;
    align-items: center;
  }
  .slider input {
    width: 240px;
    accent-color: var(--llm-mass-solid);
  }
  .slider b {
    min-width: 2.6em;
  }
  .foot {
    display: flex;
    flex-wrap: wrap;
    gap: 6px 10px;
    align-items: center;
    border-top: 1px solid var(--llm-line);
    margin-top: 14px;
    padding-top: 8px;
    color: var(--llm-fg2);
  }
  .kept {
    display: flex;
    flex-wrap: wrap;
    gap: 6px 10px;
    align-items: center;
    margin: 8px 0;
  }
  .kept:empty {
    display: none;
  }
  .kept .field {
    width: 12em;
  }
  .kept code {
    font-family: var(--llm-code);
    background: none;
    color: inherit;
    padding: 0;
  }
  .foot b {
    color: var(--llm-fg);
  }
  .foot .chips {
    margin-left: auto;
  }
  .said {
    margin: 6px 0;
    color: var(--llm-fg2);
    max-width: 80em;
    line-height: 1.5;
  }
  .banner .right {
    margin-left: auto;
  }
  @container (max-width: 640px) {
    .bars,
    .pair {
      grid-template-columns: 1fr;
    }
    .slider {
      margin-left: 0;
    }
    .slider input {
      width: 150px;
    }
    .head .right {
      margin-left: 0;
    }
  }
`;

export const STYLE = DETAILS_STYLE + CHART_STYLE + BEFORE_AFTER_STYLE + RULES;
