import { css } from '../../ui/css.js';

export const STYLE = css`
  .about {
    margin: 8px 0 10px;
    color: var(--llm-fg2);
    font: 12px / 18px var(--llm-ui);
  }
  .about b {
    color: var(--llm-fg);
  }
  .right .field {
    width: 190px;
    outline-offset: -2px;
  }
  .link {
    all: unset;
    cursor: pointer;
    color: var(--llm-accent);
  }
  .link:focus-visible {
    outline: 2px solid var(--llm-accent);
  }
  .link[disabled] {
    color: var(--llm-fg2);
    cursor: default;
  }
  [role="treegrid"] {
    font: 13px / 20px var(--llm-ui);
  }
  .head,
  .line {
    display: grid;
    grid-template-columns:
      minmax(128px, 1.5fr) minmax(92px, 1fr) 76px minmax(110px, 1.3fr) 68px minmax(150px, 1.5fr) 56px 66px
      minmax(60px, 0.8fr);
    gap: 0 8px;
    align-items: center;
    border-bottom: 1px solid var(--llm-line);
    padding: 4px 2px;
  }
  .head {
    font-size: 12px;
    color: var(--llm-fg2);
    border-bottom-color: var(--llm-line2);
  }
  .sort {
    all: unset;
    cursor: pointer;
  }
  .sort:focus-visible {
    outline: 2px solid var(--llm-accent);
    outline-offset: 1px;
  }
  .line {
    cursor: pointer;
  }
  .line:hover {
    background: var(--llm-cell);
  }
  .line:focus-visible {
    outline: 2px solid var(--llm-accent);
    outline-offset: -2px;
  }
  .line.open {
    background: var(--llm-accent-soft);
    box-shadow: inset 2px 0 var(--llm-accent);
  }
  .line.large,
  .line.large .chip,
  .line.large .terms {
    color: var(--llm-fg2);
  }
  .c0 b {
    font-weight: 600;
  }
  .c3,
  .c7,
  .c8,
  .c5 small {
    color: var(--llm-fg2);
    font-size: 12px;
  }
  .c4,
  .c6,
  .c7 {
    text-align: right;
    font-variant-numeric: tabular-nums;
  }
  .c5 {
    display: flex;
    align-items: center;
    gap: 8px;
  }
  .c5 > span:first-child {
    min-width: 54px;
    text-align: right;
    font-variant-numeric: tabular-nums;
  }
  .c5 .bar {
    flex: 1;
    max-width: 70px;
    height: 5px;
  }
  .c5 .bar i {
    background: var(--llm-mass-4);
  }
  .c5 .bar.tight i {
    background: var(--llm-heat-4);
  }
  .c5 .bar.too-large i {
    background: var(--llm-fg3);
  }
  .chevron::before {
    content: "›";
    display: inline-block;
    width: 12px;
    color: var(--llm-fg2);
  }
  .open .chevron::before {
    transform: rotate(90deg);
  }
  .chip {
    display: inline-block;
    max-width: 100%;
    box-sizing: border-box;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    vertical-align: bottom;
    border: 1px solid var(--llm-line2);
    border-radius: 10px;
    padding: 0 8px;
    font-size: 12px;
    line-height: 18px;
    color: var(--llm-fg2);
  }
  .chip.terms,
  .chip.no {
    border-color: var(--llm-heat-line);
  }
  .terms,
  .no {
    color: var(--llm-heat-line);
  }
  .no {
    font-weight: 600;
  }
  .chip.unclear {
    border-style: dashed;
  }
  .unknown {
    border: 1px dashed var(--llm-line2);
    border-radius: 10px;
    padding: 0 7px;
    color: var(--llm-fg2);
    font-size: 12px;
  }
  .gated {
    margin-left: 6px;
    color: var(--llm-heat-line);
    border-bottom: 1px dotted;
  }
  .state.in-use::before {
    content: "";
    display: inline-block;
    width: 8px;
    height: 8px;
    border-radius: 4px;
    background: var(--llm-accent);
    margin-right: 6px;
  }
  .state.damaged {
    color: var(--llm-error-text);
  }
  .details {
    background: var(--llm-cell);
    border-bottom: 1px solid var(--llm-line2);
    font-size: 12px;
    line-height: 18px;
  }
  .parts {
    display: grid;
    grid-template-columns: 1.3fr 1.1fr 1fr minmax(110px, 0.7fr);
    gap: 6px 24px;
    padding: 12px 16px;
  }
  .details h4 {
    font: 12px / 18px var(--llm-ui);
    color: var(--llm-fg2);
    margin: 0 0 2px;
  }
  .details p,
  .details ul {
    margin: 0 0 8px;
  }
  .details ul {
    padding-left: 18px;
  }
  .details p {
    overflow-wrap: anywhere;
  }
  .stack {
    display: flex;
    height: 8px;
    background: var(--llm-track);
    margin: 3px 0 5px;
  }
  .stack i {
    display: block;
  }
  .swatch {
    display: inline-block;
    width: 8px;
    height: 8px;
    margin-right: 4px;
  }
  .solid {
    background: var(--llm-mass-solid);
  }
  .work {
    background: var(--llm-fg3);
  }
  .legend-row {
    display: flex;
    flex-wrap: wrap;
    gap: 0 12px;
  }
  .actions {
    display: flex;
    flex-direction: column;
    gap: 6px;
  }
  .actions .button {
    justify-content: center;
  }
  .empty {
    color: var(--llm-fg2);
    padding: 12px 2px;
    margin: 0;
  }
  @container (max-width: 880px) {
    .head {
      display: none;
    }
    .line {
      grid-template-columns: minmax(0, 1fr) 64px 92px;
      padding: 8px 2px;
      row-gap: 2px;
    }
    .line > .c0 {
      grid-column: 1 / 3;
    }
    .line > .c1,
    .line > .c8 {
      justify-self: end;
      max-width: 100%;
    }
    .line > .c2,
    .line > .c3,
    .line > .c4,
    .line > .c7 {
      display: none;
    }
    .line > .c5 > span:first-child {
      min-width: 0;
      padding-left: 12px;
    }
    .parts {
      grid-template-columns: 1fr 1fr;
    }
  }
  @container (max-width: 560px) {
    .parts {
      grid-template-columns: 1fr;
    }
  }
`;
