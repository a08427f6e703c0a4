import type { ComponentChildren } from "preact";
import type { ScreenId } from "../../state/screens.js";
import { go } from "../navigate.js";

interface NeedsProps {
  readonly children: ComponentChildren;
  readonly action: string;
  readonly onAction?: () => void;
  readonly to?: ScreenId;
}

/** An empty screen: what is missing, and the one thing to do. */
export function Needs({ children, action, onAction, to }: NeedsProps) {
  return (
    <div class="empty">
      <p>{children}</p>
      <button type="button" class="button primary" onClick={() => (to ? go(to) : onAction?.())}>
        {action}
      </button>
    </div>
  );
}
