// Sends to Python, which answers every message; where no answer comes, says what to do.

/** @import { Act, Model } from "../types" */

const SILENCE = 5000; // milliseconds
const SILENT =
  "No answer from Python yet. If a cell is running, wait; if the kernel was restarted, run this cell again.";

/**
 * @param {Model} model
 * @param {(words: string) => void} say
 * @returns {{ send: Act["send"], stop: () => void }}
 */
export function speaker(model, say) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let isSilent = false;
  const heard = () => {
    clearTimeout(timer);
    if (isSilent) say("");
    isSilent = false;
  };
  const waited = () => {
    isSilent = true;
    say(SILENT);
  };
  model.on("msg:custom", heard);
  return {
    send(message) {
      clearTimeout(timer);
      timer = setTimeout(waited, SILENCE);
      try {
        model.send(message);
      } catch {
        waited(); // the kernel that knew this view is gone
      }
    },
    stop() {
      clearTimeout(timer);
      model.off("msg:custom", heard);
    },
  };
}
