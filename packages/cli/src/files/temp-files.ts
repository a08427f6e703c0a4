export { forgetTemp, removeStaleTemps, removeTemps, tempPathFor, watchTemps } from "@equant/core/files";
