// Long texts come packed from Python: they weigh a tenth in a saved notebook.

/**
 * @param {string} packed  gzip in base64
 * @returns {Promise<string>}
 */
export async function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}
