import { flag } from "../option.js";

/** Options of `removeDeadChannels` that a person chooses. */
export const DEAD_CHANNELS_OPTIONS = {
  observed: flag("channels count as dead that were constant on all calibration data", {
    label: "Use calibration data",
    default: true,
    main: true,
  }),
} as const;
