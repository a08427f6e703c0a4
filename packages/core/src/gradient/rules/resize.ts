import type { GradientRule } from "../context.js";

export const RESIZE_RULES: Record<string, GradientRule> = {};
