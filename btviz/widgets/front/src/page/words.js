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
