/** Text that is HTML already. Everything else is escaped where it enters a page. */
export interface Html {
  readonly html: string;
}

type Part = string | number | Html | readonly Part[];

/** A template whose values are escaped, unless they are {@link Html} themselves; lists are joined. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  const text = strings.map((string, place) => {
    const value = values[place];
    return value === undefined ? string : string + render(value);
  });
  return { html: text.join('') };
}

/** Takes text as it is: only for text that no guest had a hand in. */
export const trusted = (text: string): Html => ({ html: text });

/** A value as JSON that can stand inside a `script` element: no `<` that could end it. */
export function jsonForScript(value: unknown): Html {
  const escapes: Readonly<Record<string, string>> = {
    '<': '003c',
    '>': '003e',
    '&': '0026',
    '\u2028': '2028',
    '\u2029': '2029',
  };
  return { html: JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (sign) => `\\u${escapes[sign]}`) };
}

function render(value: Part): string {
  if (typeof value === 'string') return escaped(value);
  if (typeof value === 'number') return String(value);
  return 'html' in value ? value.html : value.map(render).join('');
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (sign) => entities[sign]!);
}
