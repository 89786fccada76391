/**
 * Parses texts that are read far more often than they change: what was made of the last one under a name serves
 * again while the text is the same. For a few names, and for readonly results, which their readers share.
 */
export function rememberParsed<T>(parse: (text: string) => T): (name: string, text: string) => T {
  const last = new Map<string, { readonly text: string; readonly parsed: T }>();
  return (name, text) => {
    const known = last.get(name);
    if (known?.text === text) return known.parsed;
    const parsed = parse(text);
    last.set(name, { text, parsed });
    return parsed;
  };
}
