import { css } from '../../ui/css.js';
import { GAIN_AND_LOSS_STYLE, READING_TEXT_STYLE } from '../readingText.css.js';

const RULES = css`
  .pair {
    display: flex;
    flex-wrap: wrap;
    gap: 6px 12px;
    align-items: center;
    margin: 4px 0 10px;
    color: var(--llm-fg2);
  }
  .pair b {
    color: var(--llm-fg);
  }
  .pair .b {
    border-color: var(--llm-accent);
    color: var(--llm-accent);
  }
  .both {
    display: grid;
    grid-template-columns: minmax(0, 1fr) 300px;
    gap: 32px;
  }
  .text {
    max-height: 60vh;
  }
  .text p {
    margin: 0;
    content-visibility: auto;
    contain-intrinsic-size: auto 200px;
  }
  .text .hit:not(.at) {
    outline: 1.5px solid var(--llm-fg2);
  }
  .text em {
    color: var(--llm-fg2);
    font-style: normal;
  }
  .g2 {
    box-shadow: inset 0 1px var(--llm-mass-line);
  }
  .g3 {
    box-shadow: inset 0 2px var(--llm-mass-line);
  }
  .map {
    display: block;
    width: 100%;
    height: 90px;
    margin-top: 14px;
  }
  .map .l {
    fill: var(--llm-heat-4);
  }
  .map .g {
    fill: var(--llm-mass-4);
  }
  .map .axis {
    stroke: var(--llm-line2);
  }
  .map .here {
    fill: var(--llm-accent);
  }
  aside table,
  .worst {
    width: 100%;
    border-collapse: collapse;
  }
  aside td,
  aside th {
    padding: 5px 0;
    border-bottom: 1px solid var(--llm-line);
    text-align: right;
    font-weight: 400;
  }
  :is(aside, .worst) :first-child:is(td, th) {
    text-align: left;
  }
  aside th:last-child {
    color: var(--llm-accent);
  }
  aside p {
    margin: 14px 0 2px;
    font-size: 11px;
    color: var(--llm-fg2);
  }
  aside .mean {
    font: 600 17px var(--llm-ui);
  }
  aside svg {
    display: block;
    width: 100%;
  }
  aside text {
    font: 10.5px var(--llm-ui);
    fill: var(--llm-fg2);
    text-anchor: middle;
  }
  aside .ci {
    stroke: var(--llm-heat-solid);
    stroke-width: 2;
  }
  aside .ci.up {
    stroke: var(--llm-mass-solid);
  }
  aside .dot {
    fill: var(--llm-heat-solid);
  }
  aside .dot.up {
    fill: var(--llm-mass-solid);
  }
  aside .zero {
    stroke: var(--llm-fg2);
  }
  .worst {
    margin-top: 14px;
  }
  .worst caption {
    text-align: left;
    color: var(--llm-fg2);
    padding-bottom: 4px;
  }
  .worst th {
    font-weight: 400;
    color: var(--llm-fg2);
    font-size: 11px;
  }
  .worst :is(td, th) {
    padding: 4px 8px;
    border-bottom: 1px solid var(--llm-line);
    text-align: right;
    white-space: nowrap;
  }
  .worst tr {
    cursor: pointer;
  }
  .worst .c {
    text-align: left;
    max-width: 34ch;
    overflow: hidden;
    text-overflow: ellipsis;
    color: var(--llm-fg2);
    white-space: pre;
  }
  .worst .d {
    font-weight: 600;
  }
  .worst svg {
    display: block;
  }
  .worst line {
    stroke: var(--llm-line);
  }
  .worst .a {
    fill: none;
    stroke: var(--llm-fg2);
    stroke-width: 2;
  }
  .worst .b {
    fill: var(--llm-mass-solid);
  }
  @container (max-width: 760px) {
    .both {
      grid-template-columns: 1fr;
    }
    .worst .plot {
      display: none;
    }
  }
`;

export const STYLE = READING_TEXT_STYLE + GAIN_AND_LOSS_STYLE + RULES;
