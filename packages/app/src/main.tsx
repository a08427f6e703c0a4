import { render } from "preact";
import { startDrop } from "./files/drop-target.js";
import { openInbox, startHandover } from "./link/arrivals.js";
import { restoreSession, startSaving } from "./state/session.js";
import { App } from "./ui/app.js";
import { settleNavigation, startNavigation } from "./ui/navigate.js";
import { startOffline } from "./ui/offline.js";
import { startShortcuts } from "./ui/shortcuts.js";
import { startTheme } from "./ui/theme.js";

/** What was open comes back; then what the address says, and what another page has sent. */
async function resume(): Promise<void> {
  await restoreSession();
  startSaving();
  settleNavigation();
  await openInbox();
}

if (new URLSearchParams(location.search).has("model")) {
  // This page may ask no other address for anything; the entry page may, and holds no session.
  location.replace(`./open.html${location.search}${location.hash}`);
} else {
  startOffline();
  startTheme();
  startNavigation();
  startShortcuts();
  startDrop();
  startHandover();
  void resume();
  render(<App />, document.getElementById("app")!);
}
