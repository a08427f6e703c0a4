import { stepStates } from "../../state/derived.js";
import { SCREENS, STEP_STATE_TEXT } from "../../state/screens.js";
import { screen } from "../../state/store.js";
import { keyHint } from "../commands.js";
import { StateIcon } from "../parts/icons.js";

/** The steps with their states. */
export function Rail() {
  const states = stepStates.value;
  return (
    <nav class="rail" aria-label="Steps">
      <ol>
        {SCREENS.map(({ id, title }) => (
          <li key={id}>
            <a href={`#/${id}`} aria-current={screen.value === id ? "step" : undefined}>
              <span class="key" aria-hidden="true">
                {keyHint(`go-${id}`)}
              </span>
              <span>{title}</span>
              <StateIcon state={states[id]} />
              <span class="visually-hidden">{STEP_STATE_TEXT[states[id]]}</span>
            </a>
          </li>
        ))}
      </ol>
    </nav>
  );
}
