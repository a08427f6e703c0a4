/** The live region changes no more often than this, or a screen reader never comes to an end. */
const EVERY_MS = 5000;

/**
 * Says messages one every 5 s at most. `say(text)` is dropped when it comes too early; with "later" it waits for its time, and the
 * newest that waits is said; with "now", for answers to what a person did, it is said at once.
 */
export function announcer(say: (text: string) => void, now = () => performance.now()) {
  let last = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const speak = (text: string) => {
    clearTimeout(timer);
    timer = undefined;
    last = now();
    say(text);
  };
  return (text: string, when: "if due" | "later" | "now" = "if due"): void => {
    const left = last + EVERY_MS - now();
    if (when === "now" || left <= 0) speak(text);
    else if (when === "later") {
      clearTimeout(timer);
      timer = setTimeout(() => speak(text), left);
    }
  };
}
