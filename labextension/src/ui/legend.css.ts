import { css } from './css.js';

export const LEGEND_STYLE = css`
  .legend {
    --swatch: 28px;
    display: inline-flex;
    gap: 8px;
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .legend .swatches {
    display: flex;
  }
  .legend i {
    display: block;
    width: var(--swatch);
    height: 12px;
    box-sizing: border-box;
    position: relative;
    font-style: normal;
  }
  .legend i.s0 {
    border: 1px solid var(--llm-line2);
  }
  .legend i.s3 {
    border-bottom: 1px solid var(--llm-heat-line);
  }
  .legend i.s4 {
    border-bottom: 2px solid var(--llm-heat-line);
  }
  .legend i.s5 {
    border-bottom: 3px solid var(--llm-heat-line);
  }
  .legend i[data-n]::before {
    content: attr(data-n);
    position: absolute;
    left: calc(var(--swatch) / -2);
    width: var(--swatch);
    top: 13px;
    text-align: center;
    line-height: 13px;
  }
  .legend-box {
    min-height: 26px;
  }
`;
