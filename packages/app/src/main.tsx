import { render } from "preact";
import { App } from "./ui/app.js";
import { startNavigation } from "./ui/navigate.js";
import { startOffline } from "./ui/offline.js";
import { startTheme } from "./ui/theme.js";

startOffline();
startTheme();
startNavigation();
render(<App />, document.getElementById("app")!);
