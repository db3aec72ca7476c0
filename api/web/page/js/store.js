// A value that views watch.
import { useEffect, useState } from "./html.js";

export function store(value) {
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      const changed = typeof next === "function" ? next(value) : next;
      if (Object.is(changed, value)) return;
      value = changed;
      for (const watcher of [...watchers]) watcher(value);
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

export function useStore(watched) {
  const [value, setValue] = useState(watched.get());
  useEffect(() => {
    setValue(watched.get());
    return watched.watch(setValue);
  }, [watched]);
  return value;
}

// Resolves as soon as the value satisfies `test`.
export function until(watched, test, signal) {
  return new Promise((resolve, reject) => {
    if (test(watched.get())) return resolve();
    const stop = watched.watch((value) => {
      if (!test(value)) return;
      stop();
      resolve();
    });
    signal?.addEventListener("abort", () => (stop(), reject(signal.reason)), { once: true });
  });
}
