import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { html, jsonForScript, trusted } from '../../../src/observe/report-page/html.ts';

describe('the page template', () => {
  test('escapes every value, in text and in attributes, and joins lists', () => {
    const evil = `<img src=x onerror="a('&')">`;
    expect(html`<b title="${evil}">${[evil, 7]}</b>`.html).toBe(
      '<b title="&lt;img src=x onerror=&quot;a(&#39;&amp;&#39;)&quot;&gt;">&lt;img src=x onerror=&quot;a(&#39;&amp;&#39;)&quot;&gt;7</b>',
    );
  });

  test('does not escape twice what is HTML already', () => {
    expect(html`<p>${html`<b>${'&'}</b>`}${trusted('<hr>')}</p>`.html).toBe('<p><b>&amp;</b><hr></p>');
  });

  test('writes JSON that no text can end early and that reads back the same', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('</script><script>', '<!--', '\u2028&amp;')),
        (text) => {
          const { html: written } = jsonForScript({ text });
          expect(written).not.toMatch(/[<>&\u2028\u2029]/);
          expect(JSON.parse(written)).toEqual({ text });
        },
      ),
    );
  });
});
