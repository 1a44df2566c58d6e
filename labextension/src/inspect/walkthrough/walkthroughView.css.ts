import { css } from '../../ui/css.js';
import { FIGURES_STYLE } from './figures.css.js';

const RULES = css`
  .path {
    display: grid;
    grid-template-columns: repeat(7, minmax(0, 1fr));
    margin: 4px 0 14px;
  }
  .path button {
    all: unset;
    cursor: pointer;
    position: relative;
    font: 12px / 1.4 var(--llm-ui);
    padding-right: 8px;
  }
  .path button:focus-visible {
    outline: 2px solid var(--llm-focus);
  }
  .path button::before {
    content: "";
    position: absolute;
    left: 32px;
    right: 4px;
    top: 11px;
    height: 2px;
    background: var(--llm-line2);
  }
  .path button:last-child::before {
    display: none;
  }
  .path .done::before {
    background: var(--llm-mass-solid);
  }
  .path i {
    display: flex;
    align-items: center;
    justify-content: center;
    width: 22px;
    height: 22px;
    border-radius: 12px;
    border: 1.5px solid var(--llm-line2);
    font-style: normal;
    font-weight: 600;
    font-size: 11px;
    color: var(--llm-fg2);
  }
  .path .done i {
    border-color: var(--llm-mass-solid);
    color: var(--llm-accent);
  }
  .path .now i {
    background: var(--llm-mass-solid);
    border-color: var(--llm-mass-solid);
    color: var(--llm-accent-on);
  }
  .path .now b {
    color: var(--llm-accent);
  }
  .path b {
    display: block;
    font-weight: 400;
    margin-top: 4px;
  }
  .path .done b {
    color: var(--llm-fg);
  }
  .path small {
    display: block;
    font-size: 11px;
    color: var(--llm-fg2);
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    min-height: 15px;
  }
  .one {
    font: 17px / 1.45 var(--llm-text);
    margin: 4px 0 10px;
  }
  .one code {
    font-size: 15px;
  }
  .nav {
    display: flex;
    gap: 8px;
    align-items: center;
    margin-top: 14px;
  }
  .nav .link {
    margin-left: auto;
  }
  .link {
    all: unset;
    cursor: pointer;
    color: var(--llm-accent);
  }
  .link[disabled] {
    color: var(--llm-fg2);
    cursor: default;
  }
  .link:focus-visible {
    outline: 2px solid var(--llm-focus);
  }
  .sliders {
    display: flex;
    flex-wrap: wrap;
    gap: 6px 28px;
    margin-top: 10px;
  }
  .all {
    display: grid;
    grid-template-columns: 34px minmax(0, 240px) minmax(0, 1fr);
    gap: 14px 16px;
  }
  .all .no {
    display: flex;
    flex-direction: column;
    align-items: center;
  }
  .all .no i {
    display: flex;
    align-items: center;
    justify-content: center;
    width: 22px;
    height: 22px;
    border: 1.5px solid var(--llm-mass-solid);
    border-radius: 12px;
    font-style: normal;
    font-weight: 600;
    font-size: 11px;
    color: var(--llm-accent);
  }
  .all .no::after {
    content: "";
    flex: 1;
    width: 2px;
    background: var(--llm-mass-solid);
    margin-bottom: -14px;
  }
  .all .what > b {
    display: block;
    font: 600 14px var(--llm-ui);
  }
  .all .what p {
    margin: 4px 0;
    color: var(--llm-fg2);
  }
  .said {
    font: 19px / 1.5 var(--llm-text);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .said mark {
    background: var(--llm-mass-4);
    color: var(--llm-on);
    font-weight: 600;
    border-radius: 2px;
  }
  .said i {
    display: inline-block;
    width: 7px;
    height: 1.1em;
    vertical-align: text-bottom;
    background: var(--llm-mass-solid);
    margin-left: 2px;
  }
  .throws > div {
    display: grid;
    grid-template-columns: 14px 84px 1fr 60px 44px;
    gap: 8px;
    align-items: center;
    height: 26px;
  }
  .throws .on {
    font-weight: 600;
  }
  .throws .dot {
    width: 9px;
    height: 9px;
    border-radius: 5px;
    background: var(--llm-heat-solid);
  }
  .throws .n {
    text-align: right;
  }
  .throws .scale {
    position: relative;
  }
  .throws .ring {
    position: absolute;
    top: -2px;
    width: 8px;
    height: 8px;
    border: 2px solid var(--llm-fg);
    border-radius: 7px;
    background: var(--llm-bg);
    transform: translateX(-50%);
  }
  @container (max-width: 640px) {
    .path b,
    .path small {
      display: none;
    }
    .all {
      grid-template-columns: 30px minmax(0, 1fr);
    }
    .all > :nth-child(3n) {
      grid-column: 2;
    }
  }
  @media print {
    .path,
    .nav,
    .sliders {
      display: none !important;
    }
  }
`;

export const STYLE = FIGURES_STYLE + RULES;
