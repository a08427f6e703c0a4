import type { ComponentChildren } from "preact";
import type { Level } from "./level.js";
import { LevelBadge } from "./level.js";

interface PanelProps {
  readonly title: string;
  readonly hint?: string | undefined;
  readonly level?: Level | undefined;
  readonly stale?: boolean | undefined;
  /** Shown in the stale badge: computes the content again. */
  readonly onRecompute?: (() => void) | undefined;
  readonly children: ComponentChildren;
}

/** A titled box of a screen; stale content is dimmed and says what to do. */
export function Panel({ title, hint, level, stale, onRecompute, children }: PanelProps) {
  return (
    <section class="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {level && <LevelBadge level={level} />}
        {stale && <span class="badge stale">stale</span>}
        {hint && <p class="hint">{hint}</p>}
        {stale && onRecompute && (
          <button type="button" class="button small" onClick={onRecompute}>
            Recompute
          </button>
        )}
      </header>
      <div class={stale ? "panel-body stale-content" : "panel-body"}>{children}</div>
    </section>
  );
}

/** Heading of a screen. */
export function Head({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <header class="head">
      <h1 tabIndex={-1}>{title}</h1>
      {children && <p>{children}</p>}
    </header>
  );
}
