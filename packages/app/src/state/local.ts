/** Small settings kept in this browser. In a frame of another site, browsers may refuse: nothing is kept then. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Not kept: the page works without it.
  }
}
