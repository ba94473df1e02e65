// The tokenizers of CodeMirror: https://codemirror.net/docs/ref/#language.StreamParser

import type { StringStream } from "../js/text/string-stream.js";

/** A tokenizer keeps its state between lines; we only copy it. */
export type State = unknown;

export interface Tokenizer {
  startState?(indentUnit: number): State;
  copyState?(state: State): State;
  token(stream: StringStream, state: State): string | null;
  blankLine?(state: State, indentUnit: number): void;
}

export const LANGUAGES: Record<string, Tokenizer>;
