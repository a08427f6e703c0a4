export { forgetTemp, removeStaleTemps, removeTemps, tempPathFor } from "@equant/core/files";
