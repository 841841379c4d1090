import type { RunReport } from '../../contract/report.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import { table } from './parts.ts';
import type { Picture } from './picture.ts';
import { pngSize } from './picture.ts';

/** The verdict on each result. */
export function resultsSection({ domains }: RunReport): Html {
  const mark = (ok: boolean): Html =>
    ok ? html`<td class="ok-text">✓ ok</td>` : html`<td class="bad-text">✗ wrong</td>`;
  const rows = domains.flatMap(({ name, state, results }) =>
    results.length === 0
      ? [
          html`<tr>
            <td class="name">${name}</td>
            <td>${state}</td>
            <td></td>
            <td class="text note">nothing was checked</td>
            <td></td>
          </tr>`,
        ]
      : results.map(
          ({ what, ok, detail }) =>
            html`<tr>
              <td class="name">${name}</td>
              <td>${state}</td>
              ${mark(ok)}
              <td class="text">${what}</td>
              <td class="text">${detail}</td>
            </tr>`,
        ),
  );
  return html`<section>
    <h2>Results, checked against a reference</h2>
    ${table(['domain', 'state', 'verdict', 'what', 'detail'], rows)}
  </section>`;
}

/** The pictures that the domains wrote, and links to their other files; nothing where there are none. */
export function picturesSection({ domains }: RunReport, pictures: readonly Picture[]): Html {
  const parts = domains.flatMap(({ name, files }) => {
    const own = pictures.filter(({ domain }) => domain === name);
    const shown = own.filter(({ png }) => pngSize(png) !== undefined);
    const paths = new Set(shown.flatMap(({ file }) => [file, `${name}/${file}`]));
    const others = files.filter((file) => !paths.has(file));
    if (shown.length + others.length === 0) return [];
    return [
      html`<h3>${name}</h3>
        ${shown.length === 0 ? '' : html`<div class="gallery">${shown.map(figure)}</div>`}${
          others.length === 0
            ? ''
            : html`<ul class="files">
                ${others.map((file) => html`<li>${fileLink(file)}</li>`)}
              </ul>`
        }`,
    ];
  });
  if (parts.length === 0) return html``;
  return html`<section class="pictures">
    <h2>What the domains made</h2>
    ${parts}
  </section>`;
}

function figure({ file, png }: Picture): Html {
  const { width, height } = pngSize(png)!;
  const data = Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString('base64');
  const small = width < 400 ? 'small' : '';
  return html`<figure>
    <button class="picture" title="Enlarge">
      <img
        class="${small}"
        src="data:image/png;base64,${data}"
        width="${width}"
        height="${height}"
        alt="${file}"
      />
    </button>
    <figcaption>${file} · ${width} × ${height}</figcaption>
  </figure>`;
}

/** Relative to the page, which stands in the output folder; `./` keeps a name from being read as a scheme. */
function fileLink(file: string): Html {
  return html`<a href="./${file.toWellFormed().split('/').map(encodeURIComponent).join('/')}">${file}</a>`;
}
