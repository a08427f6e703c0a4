import { formatMs } from "../../format.js";
import { log } from "../../state/store.js";

/** What happened, newest first. */
export function LogView() {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section class="dock-body" aria-label="Log" tabIndex={0}>
      <table class="data">
        <tbody>
          {log.value.toReversed().map(({ id, text, ms }) => (
            <tr key={id}>
              <td class="text wrap">{text}</td>
              <td>{ms === null ? "" : formatMs(ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
