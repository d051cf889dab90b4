// Numbers and nouns in words.

/** @param {number} n */
export const count = (n) => n.toLocaleString("en");

/**
 * @param {number} n
 * @param {string} word  in the singular
 */
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

/** @param {number | null | undefined} share  0 to 1 */
export const percent = (share) => `${Math.round(100 * (share ?? 0))} %`;

/**
 * A number of any size with two digits that say something: "0.83", "0.0031", "−12.40".
 *
 * @param {number} value
 */
export const shortly = (value) =>
  (Math.abs(value) >= 0.01 || value === 0 ? value.toFixed(2) : value.toPrecision(2)).replace("-", "−");
