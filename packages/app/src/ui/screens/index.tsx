import type { ComponentType } from "preact";
import type { ScreenId } from "../../state/screens.js";
import { CalibrateScreen } from "./calibrate.js";
import { CompareScreen } from "./compare.js";
import { DataScreen } from "./data.js";
import { EqualizeScreen } from "./equalize.js";
import { ExportScreen } from "./export.js";
import { ModelScreen } from "./model.js";
import { PruneScreen } from "./prune.js";
import { QuantizeScreen } from "./quantize.js";
import { StartScreen } from "./start.js";
import { ValidateScreen } from "./validate.js";

const SCREENS: Readonly<Record<ScreenId, ComponentType>> = {
  start: StartScreen,
  model: ModelScreen,
  data: DataScreen,
  calibrate: CalibrateScreen,
  equalize: EqualizeScreen,
  prune: PruneScreen,
  quantize: QuantizeScreen,
  validate: ValidateScreen,
  compare: CompareScreen,
  export: ExportScreen,
};

export function screenOf(id: ScreenId): ComponentType {
  return SCREENS[id];
}
