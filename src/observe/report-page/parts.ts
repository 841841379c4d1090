import { SWITCH_COLOUR } from './colours.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';

export type Colours = ReadonlyMap<string, string>;

export const num = (value: string | number): Html => html`<td class="num">${value}</td>`;
export const swatch = (colour: string | undefined): Html =>
  html`<span class="swatch" style="background:${colour ?? SWITCH_COLOUR}"></span>`;
export const named = (id: string, colours: Colours): Html =>
  html`<td class="name">${swatch(colours.get(id))}${id}</td>`;

export function table(heads: readonly (string | readonly [string])[], rows: readonly Html[]): Html {
  const cells = heads.map((head) =>
    typeof head === 'string' ? html`<th>${head}</th>` : html`<th class="num">${head[0]}</th>`,
  );
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${cells}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

export const check = (holds: boolean): Html =>
  holds
    ? html`<span class="ok-text" title="holds exactly">✓</span>`
    : html`<span class="bad-text">✗ does not add up</span>`;
