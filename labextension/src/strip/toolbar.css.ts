import { css } from '../ui/css.js';
import { LEGEND_STYLE } from '../ui/legend.css.js';
import { MENU_STYLE } from '../ui/menu.css.js';

const RULES = css`
  .find {
    display: flex;
    align-items: center;
    gap: 4px;
  }
  .find .icon {
    color: var(--llm-fg2);
  }
  .find input {
    width: 140px;
  }
  .find .of {
    color: var(--llm-fg2);
  }
`;

export const TOOLBAR_STYLE = LEGEND_STYLE + MENU_STYLE + RULES;
