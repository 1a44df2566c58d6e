import { css, sizes } from '../../ui/css.js';

export const ROW = 26;

const RULES = css`
  .line {
    white-space: pre;
    overflow: hidden;
    font: 15px / 27px var(--llm-text);
    color: var(--llm-fg2);
    text-align: center;
    mask-image: linear-gradient(90deg, transparent, #000 8%, #000 92%, transparent);
  }
  .line .chip {
    font: 11px / 16px var(--llm-ui);
    border: 1px solid var(--llm-line2);
    border-radius: 4px;
    padding: 0 5px;
    margin: 0 2px;
  }
  .line b {
    font-weight: 400;
    color: var(--llm-fg);
    border: 2px solid var(--llm-accent);
    border-radius: 4px;
    padding: 0 2px;
  }
  .strip {
    padding: 0 6px;
  }
  .strip svg {
    display: block;
    width: 100%;
    height: 86px;
    overflow: visible;
  }
  .set {
    padding: 0 8px;
  }
  .strip .now {
    fill: var(--llm-mass-4);
  }
  .strip .was {
    fill: var(--llm-track);
  }
  .strip .none {
    fill: var(--llm-line2);
  }
  .strip .other {
    fill: var(--llm-heat-solid);
  }
  .strip .at {
    fill: none;
    stroke: var(--llm-accent);
    stroke-width: 2;
  }
  .key {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 14px;
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .key span:first-child {
    margin-right: auto;
  }
  .key i {
    display: inline-block;
    width: 12px;
    height: 10px;
    margin-right: 4px;
  }
  .three {
    display: grid;
    grid-template-columns: minmax(0, 1.5fr) minmax(170px, 0.8fr) 230px;
    gap: 8px 24px;
    margin-top: 12px;
  }
  .head,
  .cand {
    display: grid;
    grid-template-columns: 14px 92px 1fr 58px 62px;
    gap: 8px;
    align-items: center;
    height: var(--replay-row);
  }
  .head {
    color: var(--llm-fg2);
    font-size: 11px;
    height: 34px;
  }
  .cand code {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .cand .n,
  .head .n {
    text-align: right;
  }
  .cand .others {
    font-size: 11px;
    white-space: nowrap;
  }
  .cand .two i {
    display: block;
    height: 6px;
    margin: 1px 0;
    border-radius: 1px;
  }
  .cand .two i:where(:not(.hatched)) {
    background: var(--llm-mass-3);
  }
  .cand .two i + i {
    background: var(--llm-mass-solid);
  }
  .cand.now {
    font-weight: 600;
  }
  .cand.now .two i + i {
    background: var(--llm-heat-solid);
  }
  .cand.gone code {
    text-decoration: line-through;
    color: var(--llm-fg2);
  }
  .mark {
    display: block;
    width: 9px;
    height: 9px;
    border-radius: 5px;
    border: 2px solid transparent;
  }
  .now .mark {
    background: var(--llm-heat-solid);
  }
  .rec .mark {
    border-color: var(--llm-fg2);
  }
  .now.rec .mark {
    border-color: var(--llm-heat-solid);
  }
  .rule {
    border: 1px solid var(--llm-line2);
    border-radius: 9px;
    padding: 0 7px;
    font-size: 11px;
    white-space: nowrap;
  }
  .bands svg {
    display: block;
    width: 100%;
  }
  .bands text {
    font: 11px var(--llm-ui);
    fill: var(--llm-fg2);
  }
  .bands .dice {
    font-weight: 600;
    fill: var(--llm-fg);
  }
  .bands .piece {
    fill: var(--llm-mass-2);
  }
  .bands .hit {
    fill: var(--llm-mass-4);
  }
  .bands .old {
    fill: var(--llm-track);
  }
  .bands .oldhit {
    fill: var(--llm-fg3);
  }
  .bands .flow {
    fill: var(--llm-mass-1);
  }
  .bands .flowhit {
    fill: var(--llm-mass-3);
  }
  .bands .needle {
    stroke: var(--llm-heat-solid);
    stroke-width: 2.5;
    transition: transform 120ms;
  }
  .bands circle {
    fill: var(--llm-heat-solid);
  }
  .set .slider {
    display: grid;
    grid-template-columns: 1fr auto;
    gap: 0 8px;
    margin-bottom: 10px;
  }
  .set .slider input {
    grid-column: 1 / 3;
    grid-row: 2;
    width: 100%;
    margin: 2px 0;
  }
  .set .slider output {
    text-align: right;
  }
  .set p {
    margin: 6px 0;
  }
  .set .small {
    font-size: 11px;
    color: var(--llm-fg2);
  }
  @container (max-width: 860px) {
    .three {
      grid-template-columns: 1fr 1fr;
    }
    .bands {
      display: none;
    }
  }
  @container (max-width: 560px) {
    .three {
      grid-template-columns: 1fr;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .bands .needle {
      transition: none;
    }
  }
`;

export const STYLE = sizes('replay', { row: ROW }) + RULES;
