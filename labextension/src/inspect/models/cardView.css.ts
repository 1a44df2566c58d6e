import { css } from '../../ui/css.js';

export const STYLE = css`
  .title {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 6px 10px;
  }
  .title .right {
    margin-left: auto;
    display: flex;
    gap: 6px;
  }
  h2 {
    font: 600 17px / 24px var(--llm-ui);
    margin: 0;
  }
  .about {
    margin: 4px 0 8px;
    color: var(--llm-fg2);
    font: 12px / 18px var(--llm-ui);
  }
  .halves {
    display: grid;
    grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr);
    gap: 0 32px;
  }
  h3 {
    font: 600 13px / 20px var(--llm-ui);
    margin: 12px 0 4px;
  }
  h3 small,
  h4 {
    font: 12px / 18px var(--llm-ui);
    color: var(--llm-fg2);
  }
  h4 {
    margin: 0;
  }
  p {
    margin: 4px 0;
    font: 12px / 18px var(--llm-ui);
    overflow-wrap: anywhere;
  }
  .fg2 {
    color: var(--llm-fg2);
  }
  a {
    color: inherit;
  }
  table {
    width: 100%;
    border-collapse: collapse;
    font: 12px / 18px var(--llm-ui);
    border-top: 1px solid var(--llm-line2);
  }
  th,
  td {
    text-align: left;
    vertical-align: top;
    font-weight: 400;
    padding: 4px 8px 4px 0;
    border-bottom: 1px solid var(--llm-line);
  }
  th {
    color: var(--llm-fg2);
    width: 30%;
  }
  .section {
    width: 64px;
    text-align: right;
    color: var(--llm-fg2);
    white-space: nowrap;
  }
  .n {
    text-align: right;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .kl .bar {
    display: inline-block;
    width: 60px;
    height: 7px;
    margin-right: 8px;
  }
  .chip {
    border: 1px solid var(--llm-line2);
    border-radius: 10px;
    padding: 0 8px;
    font: 12px / 18px var(--llm-ui);
    color: var(--llm-fg2);
  }
  .chip.terms,
  .chip.no {
    border-color: var(--llm-heat-line);
    color: var(--llm-heat-line);
  }
  .chip.unclear,
  .unknown {
    border: 1px dashed var(--llm-line2);
    border-radius: 10px;
    padding: 0 7px;
    color: var(--llm-fg2);
  }
  .memory {
    display: block;
    width: 100%;
    max-width: 460px;
    font: 11px var(--llm-ui);
  }
  .memory text {
    fill: var(--llm-fg2);
  }
  .memory .strong {
    fill: var(--llm-fg);
    font-weight: 600;
  }
  .memory .grid {
    stroke: var(--llm-line);
  }
  .memory .ground {
    fill: var(--llm-mass-1);
  }
  .memory .curve {
    fill: none;
    stroke: var(--llm-mass-solid);
    stroke-width: 2;
  }
  .memory .limit {
    stroke: var(--llm-heat-solid);
    stroke-width: 1.5;
  }
  .memory .over {
    fill: var(--llm-track);
  }
  .memory .reached {
    fill: var(--llm-bg);
    stroke: var(--llm-heat-solid);
    stroke-width: 2;
  }
  .two {
    display: grid;
    grid-template-columns: 1.3fr 1fr;
    gap: 0 20px;
    font: 12px / 18px var(--llm-ui);
  }
  .marks {
    list-style: none;
    margin: 2px 0 8px;
    padding: 0;
  }
  .marks li {
    display: grid;
    grid-template-columns: 18px 1fr;
    margin-bottom: 3px;
    overflow-wrap: anywhere;
  }
  @container (max-width: 640px) {
    .halves,
    .two {
      grid-template-columns: 1fr;
    }
    .title .right {
      margin-left: 0;
    }
  }
`;
