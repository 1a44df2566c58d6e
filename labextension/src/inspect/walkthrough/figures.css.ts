import { css } from '../../ui/css.js';

export const FIGURES_STYLE = css`
  .pieces {
    display: flex;
    flex-wrap: wrap;
    gap: 4px 0;
  }
  .pieces span {
    text-align: center;
    font: 19px / 34px var(--llm-text);
  }
  .pieces b {
    display: block;
    font-weight: 400;
    background: var(--llm-piece-1);
    padding: 0 3px;
  }
  .pieces span:nth-child(even) b {
    background: var(--llm-piece-2);
  }

  .pieces small {
    display: block;
    font: 11px / 20px var(--llm-ui);
    color: var(--llm-fg2);
    padding: 0 3px;
  }
  .pieces .on b,
  .pieces .on small {
    color: var(--llm-accent);
  }
  .pieces .on b {
    font-weight: 600;
  }
  .fig {
    display: block;
    width: 100%;
    font: 10.5px var(--llm-ui);
    margin: 6px 0;
  }
  .fig text {
    fill: var(--llm-fg2);
  }
  .fig .mono {
    font-family: var(--llm-code);
    font-size: 12px;
  }
  .fig .on {
    fill: var(--llm-accent);
  }
  .fig .dark {
    fill: var(--llm-fg);
    font-weight: 600;
  }
  .fig .axis {
    stroke: var(--llm-line2);
  }
  .fig .tick {
    stroke: var(--llm-fg);
    stroke-width: 2;
  }
  .fig .tick.on {
    stroke: var(--llm-accent);
  }
  .fig .vec {
    stroke: var(--llm-fg3);
  }
  .fig .vec.on {
    stroke: var(--llm-mass-solid);
  }
  .fig .curve {
    fill: none;
    stroke: var(--llm-fg2);
    stroke-width: 2;
  }
  .fig .rank {
    fill: none;
    stroke: var(--llm-mass-solid);
    stroke-width: 2;
  }
  .fig .dot {
    fill: var(--llm-fg);
  }
  .fig .rdot {
    fill: var(--llm-mass-solid);
  }
  .fig .arc {
    fill: none;
    stroke: var(--llm-mass-4);
  }
  .fig .arc.most {
    stroke: var(--llm-mass-solid);
  }
  .fig .arc.rest {
    stroke: var(--llm-fg3);
  }
  .fig .word {
    font: 14px var(--llm-text);
  }
  .fig .word.lit {
    fill: var(--llm-fg);
  }
  .fig .word.from {
    fill: var(--llm-accent);
    font-weight: 600;
  }
  .fig .up {
    fill: var(--llm-mass-4);
  }
  .fig .down {
    fill: var(--llm-heat-4);
  }
  .fig .here {
    fill: var(--llm-mass-solid);
  }
  .fig .bin {
    fill: var(--llm-fg3);
  }
  .fig .frame {
    fill: none;
    stroke: var(--llm-accent);
    stroke-width: 1.5;
  }
  .fig .piece {
    fill: var(--llm-mass-2);
  }
  .fig .piece:nth-of-type(even) {
    fill: var(--llm-mass-1);
  }
  .fig .piece.hit {
    fill: var(--llm-mass-4);
  }
  .fig .needle {
    stroke: var(--llm-heat-solid);
    stroke-width: 2.5;
    transition: transform 120ms;
  }
  .fig .knob {
    fill: var(--llm-heat-solid);
  }
  .fig .throw {
    stroke: var(--llm-fg3);
  }
  .fig .ring {
    fill: none;
    stroke: var(--llm-fg);
    stroke-width: 2;
  }
  .two {
    display: grid;
    grid-template-columns: minmax(0, 1.7fr) minmax(0, 1fr);
    gap: 28px;
  }
  .four {
    display: grid;
    grid-template-columns: repeat(4, minmax(0, 1fr));
    gap: 18px;
  }
  .list {
    font-size: 12px;
  }
  .list > p {
    margin: 0 0 4px;
    padding-bottom: 4px;
    border-bottom: 1px solid var(--llm-line2);
    color: var(--llm-fg2);
    font-size: 11px;
  }
  .list > div {
    display: grid;
    grid-template-columns: minmax(60px, 96px) 1fr 54px;
    gap: 8px;
    align-items: center;
    height: 23px;
    border-radius: 4px;
  }
  .list code {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  .list .n {
    text-align: right;
  }
  .list .on {
    font-weight: 600;
  }
  .heads > div {
    grid-template-columns: 18px 84px 1fr 50px 52px;
    cursor: pointer;
    padding: 0 6px;
  }
  .heads .on {
    background: var(--llm-accent-soft);
    outline: 1.5px solid var(--llm-accent);
  }
  .heads .pair {
    display: flex;
    height: 8px;
  }
  .heads .pair i {
    background: var(--llm-mass-4);
  }
  .heads .pair i.hatched {
    background: var(--llm-hatched);
  }
  .scores > div {
    grid-template-columns: 96px 48px 1fr 50px;
  }
  .gates {
    font-size: 12px;
  }
  .gates > div {
    display: grid;
    grid-template-columns: 100px minmax(0, 1fr) 52px minmax(0, 1fr) 52px repeat(3, 86px) minmax(0, 1fr) 56px;
    gap: 6px;
    align-items: center;
    height: 26px;
  }
  .gates .head {
    color: var(--llm-fg2);
    font-size: 11px;
    border-bottom: 1px solid var(--llm-line);
    height: 30px;
    margin-bottom: 4px;
  }
  .gates .n {
    text-align: right;
  }
  .gates b {
    font-weight: 600;
  }
  .gates .wire {
    height: 2px;
    background: var(--llm-mass-solid);
    position: relative;
  }
  .gates .wire.dead {
    background: var(--llm-fg3);
  }
  .gates .wire.stop::after {
    content: "";
    position: absolute;
    right: 0;
    top: -7px;
    width: 4px;
    height: 16px;
    background: var(--llm-fg2);
    border-radius: 2px;
  }
  .gates .why {
    color: var(--llm-fg2);
    font-size: 11px;
    white-space: nowrap;
    overflow: visible;
  }
  .gates .gone code {
    text-decoration: line-through;
    color: var(--llm-fg2);
  }
  @container (max-width: 760px) {
    .two,
    .four {
      grid-template-columns: 1fr;
    }
    .gates > div {
      grid-template-columns: 90px 60px 60px repeat(3, 18px) 60px;
    }
    .gates .bar {
      display: none;
    }
    .gates .why {
      display: none;
    }
  }
  @media (prefers-reduced-motion: reduce) {
    .fig .needle {
      transition: none;
    }
  }
`;
