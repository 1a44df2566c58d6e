import { css } from '../../ui/css.js';

export const STYLE = css`
  .wood {
    overflow: auto;
    max-height: 70vh;
  }
  .wood svg {
    display: block;
    font: 12px var(--llm-code);
  }
  .wood .band {
    fill: var(--llm-mass-2);
    cursor: pointer;
  }
  .wood .thin {
    fill: var(--llm-mass-1);
  }
  .wood .fold {
    fill: var(--llm-track);
  }
  .wood .strand {
    fill: var(--llm-mass-4);
    pointer-events: none;
  }
  .wood text {
    fill: var(--llm-fg);
    pointer-events: none;
    white-space: pre;
  }
  .wood .p {
    font: 11px var(--llm-ui);
    fill: var(--llm-fg2);
  }
  .wood .rest {
    fill: var(--llm-fg2);
  }
  .wood .on {
    font-weight: 700;
    fill: var(--llm-on);
  }
  .wood .hit {
    font-weight: 700;
    text-decoration: underline;
  }
  .below {
    display: grid;
    grid-template-columns: minmax(0, 1fr) 330px;
    gap: 28px;
    margin-top: 12px;
    padding-top: 10px;
    border-top: 1px solid var(--llm-line);
  }
  .told {
    font: 15px / 27px var(--llm-text);
    max-width: 41em;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    margin: 4px 0;
  }
  .told .before {
    color: var(--llm-fg2);
  }
  .told span[data-n] {
    border-radius: 2px;
    cursor: pointer;
  }
  .told .at {
    outline: 2px solid var(--llm-accent);
  }
  .told .end {
    border: 1px solid var(--llm-line2);
    border-radius: 3px;
    font-size: 11px;
    padding: 0 4px;
    color: var(--llm-fg2);
  }
  .fork div {
    display: grid;
    grid-template-columns: 12px 96px 1fr 60px 40px;
    gap: 8px;
    align-items: center;
    height: 22px;
  }
  .fork .n {
    text-align: right;
  }
  .fork .on {
    font-weight: 600;
  }
  .fork .dot {
    width: 8px;
    height: 8px;
    border-radius: 4px;
    background: var(--llm-heat-solid);
  }
  .fork code {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  @container (max-width: 700px) {
    .below {
      grid-template-columns: 1fr;
    }
  }
  @media print {
    .wood {
      max-height: none;
      overflow: visible;
    }
  }
`;
