import { css, sizes } from '../ui/css.js';

export const HEIGHT = 270;

const RULES = css`
  .chart {
    display: block;
    width: 100%;
    height: var(--losschart-height);
    font: 10.5px var(--llm-ui);
  }
  .chart text {
    fill: var(--llm-fg2);
  }
  .chart .grid {
    stroke: var(--llm-line);
  }
  .chart .raw {
    stroke: var(--llm-fg3);
    opacity: 0.55;
    fill: none;
  }
  .chart .mean {
    stroke: var(--llm-fg2);
    stroke-width: 2;
    fill: none;
  }
  .chart .held {
    stroke: var(--llm-mass-solid);
    stroke-width: 2;
    fill: none;
  }
  .chart .point {
    fill: var(--llm-mass-solid);
  }
  .chart .best {
    fill: var(--llm-bg);
    stroke: var(--llm-mass-solid);
    stroke-width: 2;
  }
  .chart .label {
    font-weight: 600;
    font-size: 11px;
  }
  .chart .label.held-name {
    fill: var(--llm-mass-line);
  }
  .chart .label.best-name {
    fill: var(--llm-fg);
  }
  .chart .later {
    fill: var(--llm-track);
  }
  .chart .over {
    fill: var(--llm-warn);
  }
`;

export const CHART_STYLE = sizes('losschart', { height: HEIGHT }) + RULES;
