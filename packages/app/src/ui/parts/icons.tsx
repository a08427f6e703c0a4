import type { StepState } from "../../state/screens.js";

const PATHS: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    done: "M4 9.5 8 13l6.5-8",
    stale: "M9 4v5.5M9 13.2v.3",
    running: "M9 3a6 6 0 1 1-5.6 3.8",
    failed: "M5 5l8 8M13 5l-8 8",
    idle: "M9 6.2a2.8 2.8 0 1 0 .01 0",
    undo: "M4 7h7a4 4 0 0 1 0 8H7M4 7l3.5-3.5M4 7l3.5 3.5",
    redo: "M14 7H7a4 4 0 0 0 0 8h4M14 7l-3.5-3.5M14 7l-3.5 3.5",
    theme: "M9 3a6 6 0 1 0 0 12z",
    command: "M3.5 5h11M3.5 9h11M3.5 13h7",
    help: "M6.5 7a2.5 2.5 0 1 1 3.6 2.3c-.8.4-1.1.9-1.1 1.7M9 13.6v.2",
    close: "M5 5l8 8M13 5l-8 8",
    play: "M6 4l8 5-8 5z",
    pause: "M6 4v10M12 4v10",
  }),
);

export function Icon({ name, className }: { name: string; className?: string }) {
  return (
    <svg class={`state-icon ${className ?? ""}`} viewBox="0 0 18 18" aria-hidden="true" focusable="false">
      <path
        d={PATHS.get(name) ?? ""}
        fill="none"
        stroke="currentColor"
        stroke-width="1.8"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

export function StateIcon({ state }: { state: StepState }) {
  return <Icon name={state} className={`state-${state}`} />;
}
