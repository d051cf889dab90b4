// Which words of two texts the other does not have.

const LARGEST_TABLE = 6_000_000; // cells; about 2,400 words against 2,400

/**
 * Words, and what stands between them, in their order.
 *
 * @param {string} text
 */
const segmentsOf = (text) =>
  [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)].map(({ segment }) => segment);

/**
 * Marks of the words outside a longest common subsequence of two lists.
 *
 * @param {string[]} first
 * @param {string[]} second
 * @returns {Uint8Array[]}
 */
function outside(first, second) {
  const [n, m] = [first.length, second.length];
  const width = m + 1;
  const longest = new Uint16Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      const at = i * width + j;
      longest[at] =
        first[i] === second[j] ? longest[at + width + 1] + 1 : Math.max(longest[at + width], longest[at + 1]);
    }
  }
  const marks = [new Uint8Array(n).fill(1), new Uint8Array(m).fill(1)];
  for (let i = 0, j = 0; i < n && j < m; ) {
    const at = i * width + j;
    if (first[i] === second[j]) {
      marks[0][i++] = 0;
      marks[1][j++] = 0;
    } else if (longest[at + width] >= longest[at + 1]) i++;
    else j++;
  }
  return marks;
}

/**
 * Where the texts are too long to be lined up: words that the other does not have anywhere.
 *
 * @param {string[]} first
 * @param {string[]} second
 */
function absent(first, second) {
  const [inFirst, inSecond] = [new Set(first), new Set(second)];
  return [
    Uint8Array.from(first, (word) => Number(!inSecond.has(word))),
    Uint8Array.from(second, (word) => Number(!inFirst.has(word))),
  ];
}

/**
 * How many words two lists share at their beginning, and then at their end.
 *
 * @param {string[]} first
 * @param {string[]} second
 */
function sharedEnds(first, second) {
  const shorter = Math.min(first.length, second.length);
  let start = 0;
  while (start < shorter && first[start] === second[start]) start++;
  let end = 0;
  while (end < shorter - start && first.at(-1 - end) === second.at(-1 - end)) end++;
  return [start, end];
}

/** @param {string} segment */
const isBlank = (segment) => !segment.trim();

/**
 * @typedef {object} Comparison
 * @property {string[][]} segments  of either text; together they are the text
 * @property {Uint8Array[]} marked  1 for each segment that the other text does not have
 * @property {boolean} linedUp  false for very long texts
 * @property {boolean} same
 */

/**
 * @param {string[]} texts  two of them
 * @returns {Comparison}
 */
export function compare(texts) {
  const segments = texts.map(segmentsOf);
  const places = segments.map((list) => [...list.keys()].filter((k) => !isBlank(list[k])));
  const words = segments.map((list, side) => places[side].map((k) => list[k]));
  const [start, end] = sharedEnds(words[0], words[1]);
  const [inner, other] = words.map((list) => list.slice(start, list.length - end));
  const linedUp = inner.length * other.length <= LARGEST_TABLE;
  const found = (linedUp ? outside : absent)(inner, other);
  const marked = segments.map((list, side) => {
    const marks = new Uint8Array(list.length);
    for (const [k, mark] of found[side].entries()) marks[places[side][start + k]] = mark;
    for (let k = 1; k < list.length - 1; k++) {
      if (isBlank(list[k])) marks[k] = marks[k - 1] & marks[k + 1]; // blanks between two marked words
    }
    return marks;
  });
  return { segments, marked, linedUp, same: texts[0] === texts[1] };
}

/**
 * A text in pieces, each wholly marked or wholly not.
 *
 * @param {string[]} segments
 * @param {Uint8Array} marks
 * @returns {{ words: string, differs: boolean }[]}
 */
export function runs(segments, marks) {
  /** @type {{ words: string, differs: boolean }[]} */
  const pieces = [];
  for (const [k, segment] of segments.entries()) {
    const last = pieces.at(-1);
    const differs = marks[k] === 1;
    if (last?.differs === differs) last.words += segment;
    else pieces.push({ words: segment, differs });
  }
  return pieces;
}
