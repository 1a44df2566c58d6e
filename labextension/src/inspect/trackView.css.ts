import { css, sizes } from '../ui/css.js';
import { READING_TEXT_STYLE } from './readingText.css.js';

export const HIGH = 200;

const RULES = css`
  .plot {
    display: block;
    width: 100%;
    height: calc(var(--track-high) + 26px);
    font: 10.5px var(--llm-ui);
    cursor: crosshair;
  }
  .plot text {
    fill: var(--llm-fg2);
  }
  .plot line {
    stroke: var(--llm-line);
  }
  .plot polyline {
    fill: none;
    stroke-width: 2;
    vector-effect: non-scaling-stroke;
  }
  .plot .here {
    stroke: var(--llm-accent);
    stroke-width: 2;
  }
  .k0 {
    stroke: var(--llm-mass-solid);
  }
  .k1 {
    stroke: var(--llm-heat-solid);
    stroke-dasharray: 6 3;
  }
  .k2 {
    stroke: var(--llm-fg2);
    stroke-dasharray: 2 3;
  }
  .k3 {
    stroke: var(--llm-mass-line);
    stroke-dasharray: 10 4;
  }
  .k4 {
    stroke: var(--llm-heat-line);
    stroke-dasharray: 1 3;
  }
  .k5 {
    stroke: var(--llm-fg3);
  }
  .k6 {
    stroke: var(--llm-fg2);
    stroke-dasharray: 12 3 2 3;
  }
  .k7 {
    stroke: var(--llm-fg);
  }
  .names {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 18px;
    margin: 4px 0 8px;
  }
  .names svg {
    width: 26px;
    height: 8px;
    vertical-align: middle;
    margin-right: 6px;
  }
  .text {
    max-height: 30vh;
  }
  .text .before {
    color: var(--llm-fg2);
  }
  table {
    border-collapse: collapse;
    margin-top: 8px;
  }
  td,
  th {
    padding: 3px 14px 3px 0;
    text-align: right;
    font-weight: 400;
    border-bottom: 1px solid var(--llm-line);
  }
  :is(td, th):first-child {
    text-align: left;
  }
  th {
    color: var(--llm-fg2);
    font-size: 11px;
  }
`;

export const STYLE = sizes('track', { high: HIGH }) + READING_TEXT_STYLE + RULES;
