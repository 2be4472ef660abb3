// What the tests see besides.

export * from "./index";
export { firstWord } from "./challenge";
