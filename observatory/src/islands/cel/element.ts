/** The engine of `when`, apart: only policies that use it pay for it. */
export { loadCel } from "@peerage/core";
