import { css } from './css.js';
import { LEGEND_STYLE } from './legend.css.js';
import { DETAILS_STYLE } from './recordDetails.css.js';

const RULES = css`
  .foot {
    display: flex;
    flex-wrap: wrap;
    gap: 6px 8px;
    align-items: center;
    margin: 10px 0 4px;
    padding-top: 8px;
    border-top: 1px solid var(--llm-line);
    color: var(--llm-fg2);
  }
  .foot b {
    color: var(--llm-fg);
    font-weight: 600;
  }
  .foot .chips {
    margin-left: auto;
    display: flex;
    gap: 6px;
  }
  .keys {
    white-space: nowrap;
  }
  code,
  .mono {
    font-family: var(--llm-code);
    background: none;
    color: inherit;
    padding: 0;
  }
  .say {
    font-size: 13px;
    color: var(--llm-fg2);
    min-height: 18px;
  }
  .say code,
  .say b {
    color: var(--llm-fg);
  }
  .legend {
    flex-wrap: wrap;
    gap: 0 8px;
    min-height: 28px;
    --swatch: 30px;
  }
  .none {
    border: 1px solid var(--llm-line2);
  }
  .m1 {
    background: var(--llm-mass-1);
  }
  .m2 {
    background: var(--llm-mass-2);
  }
  .m3 {
    background: var(--llm-mass-3);
  }
  .m4 {
    background: var(--llm-mass-4);
  }
  .m5 {
    background: var(--llm-mass-5);
  }
  .h1 {
    background: var(--llm-heat-1);
  }
  .h2 {
    background: var(--llm-heat-2);
  }
  .h3 {
    background: var(--llm-heat-3);
  }
  .h4 {
    background: var(--llm-heat-4);
  }
  .h5 {
    background: var(--llm-heat-5);
  }
  :is(.m1, .m2, .m3, .m4, .m5, .h1, .h2, .h3, .h4, .h5) {
    color: var(--llm-on);
  }
  .h3 {
    box-shadow: inset 0 -1px var(--llm-heat-line);
  }
  .h4 {
    box-shadow: inset 0 -2px var(--llm-heat-line);
  }
  .h5 {
    box-shadow: inset 0 -3px var(--llm-heat-line);
  }
  .slider {
    display: inline-flex;
    gap: 10px;
    align-items: center;
    font-size: 12px;
  }
  .slider input {
    accent-color: var(--llm-mass-solid);
    min-width: 90px;
  }
  .slider output {
    min-width: 3.2em;
    font-weight: 600;
  }
  .needs {
    color: var(--llm-fg2);
    font-size: 11px;
  }
  .busy {
    display: flex;
    gap: 8px;
    align-items: center;
    color: var(--llm-fg2);
    margin: 4px 0;
  }
  .busy::before {
    content: "";
    width: 44px;
    height: 3px;
    background: linear-gradient(90deg, var(--llm-mass-solid) 50%, var(--llm-track) 50%);
  }
  .bar {
    display: block;
    height: 8px;
    background: var(--llm-track);
    border-radius: 1px;
  }
  .bar i {
    display: block;
    height: 100%;
    background: var(--llm-mass-4);
    border-radius: 1px;
  }
  .bar.chosen i {
    background: var(--llm-heat-solid);
  }
  .hatched {
    background: var(--llm-hatched);
  }
  @media print {
    .slider,
    .keys {
      display: none !important;
    }
  }
`;

export const CONTROLS_STYLE = DETAILS_STYLE + LEGEND_STYLE + RULES;
