import { useEffect, useRef } from "preact/hooks";
import { announcement, problem, screen } from "../state/store.js";
import { Dock } from "./dock/dock.js";
import { Bar } from "./frame/bar.js";
import { Help } from "./frame/help.js";
import { Inspector } from "./frame/inspector.js";
import { Palette } from "./frame/palette.js";
import { Rail } from "./frame/rail.js";
import { ErrorCard } from "./parts/error-card.js";
import { QuestionBox } from "./parts/question-box.js";
import { screenOf } from "./screens/index.js";

/** The whole page. */
export function App() {
  const stage = useRef<HTMLElement>(null);
  const first = useRef(true);
  const Screen = screenOf(screen.value);
  // A new screen begins at its heading, for the eye and for screen readers.
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    stage.current?.scrollTo(0, 0);
    stage.current?.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [screen.value]);
  return (
    <div class="frame">
      <Bar />
      <Rail />
      <main class="stage" ref={stage}>
        <div class="stage-inner">
          {problem.value && <ErrorCard value={problem.value} />}
          <Screen />
        </div>
      </main>
      <Inspector />
      <Dock />
      <Palette />
      <Help />
      <QuestionBox />
      <p class="visually-hidden" role="status" aria-live="polite">
        {announcement.value}
      </p>
    </div>
  );
}
