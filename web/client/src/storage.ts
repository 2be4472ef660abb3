// Where keys outlive a reload.

/** What is used of `localStorage`. */
export interface Storage {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
  removeItem(name: string): void;
}

/** Keep nothing beyond this page. */
export function memoryStorage(): Storage {
  const kept = new Map<string, string>();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  };
}

/** What is used of a mini program's `wx`. */
export interface MiniStorage {
  getStorageSync(name: string): unknown;
  setStorageSync(name: string, value: string): void;
  removeStorageSync(name: string): void;
}

/** Keep in a mini program: `miniStorage(wx)`. */
export const miniStorage = (mini: MiniStorage): Storage => ({
  getItem: (name) => (mini.getStorageSync(name) as string) || null,
  setItem: (name, value) => mini.setStorageSync(name, value),
  removeItem: (name) => mini.removeStorageSync(name),
});

/** Keep in `localStorage` where there is one that works: private windows refuse at times. */
export function defaultStorage(): Storage {
  try {
    const storage = (globalThis as { localStorage?: Storage }).localStorage;
    storage?.setItem("onrush", "1");
    storage?.removeItem("onrush");
    return storage ?? memoryStorage();
  } catch {
    return memoryStorage();
  }
}
