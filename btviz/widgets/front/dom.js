// Plain DOM, nothing else. Strings become text nodes, so nothing in the data is taken for markup.

function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  const { on = {}, ...attributes } = options;
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  made.append(...children.filter((child) => child != null && child !== false));
  return made;
}

const button = (words, title, click, options = {}) =>
  element("button", { type: "button", title, ...options, on: { click } }, words);

function select(label, choices, change) {
  const made = element("select", { "aria-label": label, title: label, on: { change: () => change(made.value) } });
  setChoices(made, choices);
  return made;
}

function setChoices(list, choices) {
  const value = list.value;
  list.replaceChildren(...choices.map(([key, words]) => element("option", { value: key }, words)));
  if (choices.some(([key]) => key === value)) list.value = value;
}

// A field that is being typed in keeps what is typed.
function setValue(field, value) {
  if (field.getRootNode().activeElement !== field || field.tagName === "SELECT") field.value = value;
}

// The clipboard is missing where the page came over plain http: then the words are shown, to be copied by hand.
function copyText(text, words, say) {
  (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(() => say(words), () => say(text));
}

const SILENCE = 5000;
const SILENT = "No answer from Python yet. If a cell is running, wait; if the kernel was restarted, run this cell again.";

// Sends to Python, which answers every message; where no answer comes, says what to do.
function speaker(model, say) {
  let timer = null;
  let silent = false;
  const heard = () => {
    clearTimeout(timer);
    if (silent) say("");
    silent = false;
  };
  const waited = () => {
    silent = true;
    say(SILENT);
  };
  model.on("msg:custom", heard);
  return {
    send: (message) => {
      clearTimeout(timer);
      timer = setTimeout(waited, SILENCE);
      try {
        model.send(message);
      } catch {
        waited(); // the kernel that knew this view is gone
      }
    },
    stop: () => (clearTimeout(timer), model.off("msg:custom", heard)),
  };
}

const count = (n) => n.toLocaleString("en");
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

function debounce(wait, action) {
  let timer = null;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...args), wait);
  };
}
