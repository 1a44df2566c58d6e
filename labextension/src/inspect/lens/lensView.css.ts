import { css, sizes } from '../../ui/css.js';
import { CHART } from './rankCurve.js';

export const COLUMN = 52;
export const HEAD = 36;
export const LABELS = 62;
export const SAYS = 24;
export const SHOWN = 32; // rows at most: 512 px of a deep model

const RULES = css`
  .grid {
    position: relative;
    overflow: auto;
    max-height: calc(calc(var(--lens-head) + var(--lens-says) + 4px) + var(--lens-shown) * var(--row));
    font: 12px / 20px var(--llm-code);
    border-bottom: 1px solid var(--llm-line2);
  }
  .plane {
    position: relative;
    overflow: clip;
  }
  .top,
  .says {
    position: sticky;
    z-index: 3;
    background: var(--llm-bg);
    height: var(--lens-head);
    top: 0;
    border-bottom: 1px solid var(--llm-line2);
  }
  .says {
    top: auto;
    bottom: 0;
    height: var(--lens-says);
    border: 0;
    border-top: 1px solid var(--llm-line2);
    font-weight: 600;
    line-height: calc(var(--lens-says) - 2px);
  }
  .top > span,
  .says > span {
    position: absolute;
    width: calc(var(--lens-column) - 2px);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .top > span {
    bottom: 0;
    line-height: 16px;
    white-space: pre-line;
    color: var(--llm-fg2);
    cursor: pointer;
  }
  .top > span small {
    display: block;
    font-size: 10.5px;
  }
  .top .on {
    color: var(--llm-accent);
    font-weight: 600;
    box-shadow: inset 0 -2px var(--llm-accent);
  }
  .says > span {
    top: 0;
  }
  .says .on {
    color: var(--llm-accent);
  }
  .top .corner,
  .says .corner,
  .labels {
    position: sticky;
    left: 0;
    width: var(--lens-labels);
    background: var(--llm-bg);
    z-index: 2;
    color: var(--llm-fg2);
    font: 11px var(--llm-ui);
  }
  .top .corner,
  .says .corner {
    display: block;
    height: 100%;
    font-weight: 400;
  }
  .top .corner {
    line-height: calc(2 * var(--lens-head) - 22px);
  }
  .says .corner {
    line-height: calc(var(--lens-says) - 2px);
  }
  .body {
    position: relative;
  }
  .labels {
    height: 100%;
    top: 0;
    padding-left: 14px;
  }
  .labels canvas {
    position: absolute;
    left: 0;
    top: 0;
    width: 10px;
    cursor: pointer;
  }
  .labels span {
    display: block;
    height: var(--row);
    line-height: var(--row);
    text-align: right;
    padding-right: 10px;
  }
  .labels .on {
    color: var(--llm-accent);
    font-weight: 600;
  }
  .col {
    position: absolute;
    top: 0;
    width: calc(var(--lens-column) - 2px);
  }
  .col div {
    height: calc(var(--row) - 2px);
    line-height: calc(var(--row) - 2px);
    margin-bottom: 2px;
    padding: 0 3px;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    cursor: pointer;
    color: var(--llm-fg2);
    outline-offset: -1px;
  }
  .col :is(.m1, .m2, .m3, .m4, .m5, .h1, .h2, .h3, .h4, .h5) {
    color: var(--llm-on);
  }
  .col .same {
    font-weight: 700;
  }
  .col .here {
    outline: 2px solid var(--llm-accent);
  }
  .line {
    position: absolute;
    left: 0;
    right: 0;
    height: var(--row);
    margin-top: -1px;
    border: 1px solid var(--llm-accent);
    border-width: 1px 0;
    background: color-mix(in srgb, var(--llm-accent) 6%, transparent);
    pointer-events: none;
    z-index: 1;
  }
  .curve {
    position: sticky;
    right: 0;
    float: right;
    width: var(--lens-chart);
    background: var(--llm-bg);
    z-index: 2;
  }
  .top .curve .of {
    position: absolute;
    bottom: 2px;
    white-space: nowrap;
    color: var(--llm-fg2);
    font: 11px var(--llm-ui);
  }
  .curve svg {
    display: block;
    font: 10.5px var(--llm-ui);
  }
  .curve text {
    fill: var(--llm-fg2);
  }
  .curve polyline {
    fill: none;
    stroke: var(--llm-mass-solid);
    stroke-width: 2;
  }
  .curve circle {
    fill: var(--llm-mass-solid);
  }
  .curve line {
    stroke: var(--llm-line);
  }
  .curve .now {
    fill: var(--llm-fg);
    font-weight: 600;
    font-size: 11px;
  }
  .curve .marked {
    fill: color-mix(in srgb, var(--llm-accent) 6%, transparent);
    stroke: var(--llm-accent);
  }
  .curve .w1 {
    stroke: var(--llm-fg2);
    stroke-dasharray: 4 3;
  }
  .curve .w2 {
    stroke: var(--llm-heat-solid);
    stroke-dasharray: 2 3;
  }
  .above {
    display: flex;
    flex-wrap: wrap;
    gap: 8px 24px;
    align-items: center;
    margin: 0 0 8px;
    min-height: 36px;
  }
  .hold {
    position: relative;
  }
  .matches {
    color: var(--llm-fg2);
    align-self: center;
  }
  .ten {
    position: absolute;
    z-index: 5;
    right: 20px;
    top: calc(var(--lens-head) + 4px);
    border-radius: 6px;
    background: var(--llm-surface);
    color: var(--own-fg);
    padding: 8px 12px;
    width: min(460px, 90%);
    box-shadow:
      var(--llm-shadow),
      0 0 0 1px var(--own-line);
  }
  .ten ol {
    list-style: none;
    margin: 6px 0 0;
    padding: 0;
    columns: 2;
    column-gap: 24px;
  }
  .ten li {
    display: grid;
    grid-template-columns: 88px 1fr 56px;
    gap: 8px;
    align-items: center;
    height: 19px;
  }
  .ten li code {
    font: 11px var(--llm-code);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .ten li span:last-child {
    text-align: right;
  }
  @container (max-width: 640px) {
    .curve {
      display: none;
    }
    .ten ol {
      columns: 1;
    }
  }
  @media print {
    .grid {
      max-height: none;
      overflow: visible;
    }
  }
`;

export const STYLE =
  sizes('lens', {
    chart: CHART,
    column: COLUMN,
    head: HEAD,
    labels: LABELS,
    says: SAYS,
    shown: String(SHOWN),
  }) + RULES;
