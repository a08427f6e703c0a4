import type { GradientRule } from "../context.js";

export const NORMALIZATION_RULES: Record<string, GradientRule> = {};
