import type { GradientRule } from "../context.js";

export const QUANTIZATION_RULES: Record<string, GradientRule> = {};
