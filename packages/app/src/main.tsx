import { render } from "preact";
import { startDrop } from "./files/drop-target.js";
import { restoreSession, startSaving } from "./state/session.js";
import { App } from "./ui/app.js";
import { startNavigation } from "./ui/navigate.js";
import { startOffline } from "./ui/offline.js";
import { startShortcuts } from "./ui/shortcuts.js";
import { startTheme } from "./ui/theme.js";

startOffline();
startTheme();
startNavigation();
startShortcuts();
startDrop();
void restoreSession().finally(startSaving);
render(<App />, document.getElementById("app")!);
