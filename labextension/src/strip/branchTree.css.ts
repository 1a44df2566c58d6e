import { css } from '../ui/css.js';

export const BRANCH_TREE_STYLE = css`
  .rail {
    flex: 0 0 216px;
    font-size: 12px;
  }
  .rail ul {
    list-style: none;
    margin: 4px 0;
    padding: 0;
  }
  .rail li {
    display: grid;
    grid-template-columns: auto 1fr;
    gap: 0 8px;
    padding: 5px 8px;
    border-radius: 4px;
    cursor: pointer;
    position: relative;
  }
  .rail li:hover {
    background: var(--llm-cell);
  }
  .rail li[aria-selected="true"] {
    background: var(--llm-accent-soft);
  }
  .rail li::before {
    content: "";
    width: 9px;
    height: 9px;
    border-radius: 6px;
    border: 2px solid var(--llm-fg3);
    margin-top: 3px;
    box-sizing: content-box;
  }
  .rail li[aria-selected="true"]::before {
    background: var(--llm-accent);
    border-color: var(--llm-accent);
  }
  .rail li > div {
    min-width: 0;
  }
  .rail .name {
    white-space: nowrap;
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .rail .name code {
    font: 12px var(--llm-code);
    background: none;
    color: inherit;
  }
  .rail small {
    color: var(--llm-fg2);
    font-size: 11px;
    display: block;
  }
`;
