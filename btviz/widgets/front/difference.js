// Which words of two texts the other does not have, and text nodes that show it.

const LARGEST_TABLE = 6_000_000; // cells; about 2,400 words against 2,400

const wordsOf = (text) => [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)].map(({ segment }) => segment);

// Marks of the words outside a longest common subsequence of two lists.
function outside(first, second) {
  const [n, m] = [first.length, second.length];
  const width = m + 1;
  const longest = new Uint16Array((n + 1) * width);
  for (let i = n - 1; i >= 0; i--) {
    for (let j = m - 1; j >= 0; j--) {
      const at = i * width + j;
      longest[at] = first[i] === second[j] ? longest[at + width + 1] + 1 : Math.max(longest[at + width], longest[at + 1]);
    }
  }
  const marks = [new Uint8Array(n).fill(1), new Uint8Array(m).fill(1)];
  for (let i = 0, j = 0; i < n && j < m; ) {
    const at = i * width + j;
    if (first[i] === second[j]) marks[0][i++] = marks[1][j++] = 0;
    else if (longest[at + width] >= longest[at + 1]) i++;
    else j++;
  }
  return marks;
}

// Where the texts are too long to be lined up: words that the other does not have anywhere.
function absent(first, second) {
  const [inFirst, inSecond] = [new Set(first), new Set(second)];
  return [Uint8Array.from(first, (word) => !inSecond.has(word)), Uint8Array.from(second, (word) => !inFirst.has(word))];
}

// For both texts their segments, and whether each is marked; `linedUp` is false for very long texts.
function compare(texts) {
  const segments = texts.map(wordsOf);
  const places = segments.map((list) => list.map((_, k) => k).filter((k) => list[k].trim()));
  const [first, second] = segments.map((list, side) => places[side].map((k) => list[k]));
  let start = 0;
  while (start < Math.min(first.length, second.length) && first[start] === second[start]) start++;
  let end = 0;
  while (end < Math.min(first.length, second.length) - start && first.at(-1 - end) === second.at(-1 - end)) end++;
  const [inner, other] = [first, second].map((list) => list.slice(start, list.length - end));
  const linedUp = inner.length * other.length <= LARGEST_TABLE;
  const found = (linedUp ? outside : absent)(inner, other);
  const marked = segments.map((list, side) => {
    const marks = new Uint8Array(list.length);
    found[side].forEach((mark, k) => (marks[places[side][start + k]] = mark));
    for (let k = 1; k < list.length - 1; k++) if (!list[k].trim()) marks[k] = marks[k - 1] && marks[k + 1]; // blanks between two marked words
    return marks;
  });
  return { segments, marked, linedUp, same: texts[0] === texts[1] };
}

// Text nodes, and <mark> around runs of marked segments: nothing in the data is taken for markup.
function markedNodes(segments, marks) {
  const nodes = [];
  for (let k = 0; k < segments.length; ) {
    let end = k;
    while (end < segments.length && marks[end] === marks[k]) end++;
    const words = segments.slice(k, end).join("");
    nodes.push(marks[k] ? element("mark", { class: "btviz-differs" }, words) : words);
    k = end;
  }
  return nodes;
}
