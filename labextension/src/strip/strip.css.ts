import { css } from '../ui/css.js';
import { BRANCH_TREE_STYLE } from './branchTree.css.js';
import { MINIMAP_STYLE } from './minimap.css.js';
import { SPLIT_TEXT_STYLE } from './splitText.css.js';
import { SUMMARY_STYLE } from './summary.css.js';
import { CARD_STYLE } from './tokenCard.css.js';
import { TEXT_STYLE } from './tokenText.css.js';
import { TOOLBAR_STYLE } from './toolbar.css.js';
import { FIELDS_STYLE } from './valueFields.css.js';

const RULES = css`
  .prompt {
    border-left: 2px solid var(--llm-line);
    padding-left: 10px;
    margin: 0 0 10px;
    color: var(--llm-fg2);
  }
  .markdown {
    font: var(--jp-content-font-size1, 15px) / var(--jp-content-line-height, 1.6) var(--llm-text);
    max-width: 41em;
  }
  .markdown .plain {
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    margin: 0;
  }
  .with-rail {
    display: flex;
    gap: 24px;
    align-items: flex-start;
  }
  .with-rail > .main {
    flex: 1;
    min-width: 0;
  }
  @container (max-width: 640px) {
    .with-rail {
      flex-direction: column;
    }
    .rail {
      flex-basis: auto;
      width: 100%;
    }
  }
`;

export const STRIP_STYLE =
  TEXT_STYLE +
  SPLIT_TEXT_STYLE +
  MINIMAP_STYLE +
  CARD_STYLE +
  TOOLBAR_STYLE +
  BRANCH_TREE_STYLE +
  SUMMARY_STYLE +
  FIELDS_STYLE +
  RULES;
