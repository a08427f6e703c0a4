export { forgetTemp, lockFolder, removeStaleTemps, removeTemps, tempPathFor, watchTemps } from "@equant/core/files";
