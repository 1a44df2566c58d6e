import { css } from '../../ui/css.js';

export const STYLE = css`
  .title {
    align-items: center;
  }
  .dot {
    color: var(--llm-fg3);
  }
  .dot.live {
    color: var(--llm-accent);
  }
  .small {
    font-size: 12px;
    margin: 2px 0;
  }
  .track {
    display: flex;
    height: 8px;
    background: var(--llm-track);
  }
  .track .good {
    background: var(--llm-mass-solid);
  }
  .track .bad {
    background: var(--llm-heat-solid);
  }
  .track .grey {
    background: var(--llm-fg3);
  }
  .rate {
    display: flex;
    align-items: end;
    gap: 10px;
    margin: 6px 0 2px;
    font-size: 11px;
  }
  .rate svg {
    flex: 1;
    max-width: 420px;
    height: 44px;
    border-bottom: 1px solid var(--llm-line2);
  }
  .rate .area {
    fill: var(--llm-mass-2);
    opacity: 0.5;
  }
  .rate .line {
    fill: none;
    stroke: var(--llm-mass-solid);
    stroke-width: 1.5;
    vector-effect: non-scaling-stroke;
  }
  .stack {
    display: flex;
    height: 9px;
  }
  .key {
    display: inline-flex;
    align-items: center;
    gap: 4px;
    height: auto;
    margin-left: 12px;
    font-weight: 400;
    color: var(--llm-fg2);
  }
  .key i {
    display: inline-block;
    width: 9px;
    height: 9px;
  }
  .gone td {
    color: var(--llm-fg2);
  }
  .grid {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(220px, 1fr));
    gap: 4px 32px;
  }
  h4 {
    font: 600 12px var(--llm-ui);
    margin: 12px 0 6px;
  }
  small {
    font-weight: 400;
    color: var(--llm-fg2);
  }
  .label {
    display: grid;
    grid-template-columns: minmax(50px, 90px) 1fr 56px 44px;
    gap: 8px;
    align-items: center;
    font-size: 12px;
    padding: 4px 0;
    border-bottom: 1px solid var(--llm-line);
  }
  .label code {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .label span:nth-child(n + 3) {
    text-align: right;
  }
  .label .bar {
    position: relative;
  }
  .mark {
    position: absolute;
    top: -3px;
    width: 2px;
    height: 14px;
    background: var(--llm-fg);
  }
  .big {
    font: 600 17px var(--llm-ui);
  }
  section p {
    margin: 4px 0;
    font-size: 11.5px;
  }
  .plot {
    display: block;
    width: 220px;
    max-width: 100%;
  }
  .plot .axis {
    stroke: var(--llm-line2);
  }
  .plot .ideal {
    stroke: var(--llm-line2);
    stroke-dasharray: 3 3;
  }
  .plot .ci {
    stroke: var(--llm-mass-solid);
    stroke-width: 1.5;
  }
  .plot .point {
    fill: var(--llm-mass-4);
    stroke: var(--llm-mass-solid);
  }
  .plot .tick {
    font: 10.5px var(--llm-ui);
    fill: var(--llm-fg2);
    text-anchor: middle;
  }
  .plot .end {
    text-anchor: end;
  }
  .wide {
    overflow-x: auto;
  }
  .confusion,
  .rows {
    border-collapse: collapse;
    font-size: 12px;
  }
  .confusion :is(td, th),
  .rows :is(td, th) {
    border-bottom: 1px solid var(--llm-line);
    padding: 4px 8px;
    font-weight: 400;
    text-align: left;
  }
  .confusion td {
    text-align: right;
  }
  .rows {
    width: 100%;
    table-layout: fixed;
  }
  .rows th {
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .rows :is(td, th):first-child {
    width: 56px;
    text-align: right;
  }
  .rows thead :is(td, th):nth-child(3) {
    width: 26%;
  }
  .rows thead :is(td, th):nth-child(4) {
    width: 58px;
  }
  .rows thead :is(td, th):nth-child(5) {
    width: 16%;
  }
  .rows thead :is(td, th):nth-child(6) {
    width: 14%;
  }
  .rows td {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .rows .wrong {
    color: var(--llm-heat-line);
  }
  @container (max-width: 520px) {
    .rows :is(td, th):nth-child(5) {
      display: none;
    }
    .rows .text {
      white-space: normal;
    }
    .workers :is(td, th):nth-child(6) {
      display: none;
    }
  }
`;
