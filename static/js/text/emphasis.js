// Emphasis beside the full-width punctuation of Chinese, Japanese and Korean: see chat/pages/grammar/emphasis.py.

/** @import MarkdownIt from "../../vendor/markdown-it.js" */

const CJK =
  /^[\u1100-\u11ff\u2e80-\u2fff\u3001-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\u{1aff0}-\u{1b16f}\u{1f200}-\u{1f2ff}\u{20000}-\u{3fffd}]/u;

/**
 * Return the state of the inline parser with these delimiters.
 *
 * @param {MarkdownIt} markdown
 */
export function cjkState(markdown) {
  const { isMdAsciiPunct, isPunctChar, isWhiteSpace } = markdown.utils;

  /** @param {string} character */
  const isSpace = (character) => isWhiteSpace(character.codePointAt(0) ?? 0);

  /** @param {string} character */
  const isPunctuation = (character) =>
    !CJK.test(character) && (isMdAsciiPunct(character.codePointAt(0) ?? 0) || isPunctChar(character));

  /**
   * @param {string} outside
   * @param {string} inside
   */
  const flanks = (outside, inside) =>
    !isSpace(inside) && (isSpace(outside) || isPunctuation(outside) || CJK.test(outside) || !isPunctuation(inside));

  return class extends markdown.inline.State {
    /**
     * @param {number} start
     * @param {boolean} canSplitWord
     */
    scanDelims(start, canSplitWord) {
      const scanned = super.scanDelims(start, canSplitWord);
      const end = start + scanned.length;
      const before = start ? characterBefore(this.src, start) : " ";
      const after = end < this.posMax ? characterAt(this.src, end) : " ";
      if (!CJK.test(before) && !CJK.test(after)) return scanned;
      const left = flanks(before, after);
      const right = flanks(after, before);
      return {
        can_open: left && (canSplitWord || !right || isPunctuation(before)),
        can_close: right && (canSplitWord || !left || isPunctuation(after)),
        length: scanned.length,
      };
    }
  };
}

/**
 * @param {string} text
 * @param {number} at
 */
function characterAt(text, at) {
  return String.fromCodePoint(text.codePointAt(at) ?? 0x20);
}

/**
 * @param {string} text
 * @param {number} at
 */
function characterBefore(text, at) {
  const isPair = at > 1 && /[\udc00-\udfff]/.test(text.charAt(at - 1)) && /[\ud800-\udbff]/.test(text.charAt(at - 2));
  return characterAt(text, at - (isPair ? 2 : 1));
}
