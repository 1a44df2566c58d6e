import { css } from './css.js';

export const DETAILS_STYLE = css`
  .tag,
  .about summary {
    border: 1px solid var(--llm-line2);
    border-radius: 10px;
    padding: 1px 8px;
    max-width: 22em;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  kbd {
    font: 10px / 14px var(--llm-ui);
    border: 1px solid var(--llm-line2);
    border-radius: 3px;
    padding: 0 4px;
    margin-right: 3px;
    background: none;
    color: inherit;
    box-shadow: none;
  }
  .about {
    max-width: 100%;
  }
  .about summary {
    display: inline-block;
    cursor: pointer;
    list-style: none;
  }
  .about summary::-webkit-details-marker {
    display: none;
  }
  .about .icon {
    width: 12px;
    height: 12px;
    vertical-align: -2px;
  }
  .about[open] {
    flex-basis: 100%;
    text-align: right;
  }
  .about dl {
    display: inline-grid;
    grid-template-columns: auto auto;
    gap: 2px 10px;
    margin: 6px 0 0;
    text-align: left;
    font-size: 11px;
  }
  .about dt {
    color: var(--llm-fg2);
  }
  .about dd {
    margin: 0;
    color: var(--llm-fg);
    overflow-wrap: anywhere;
  }
`;
