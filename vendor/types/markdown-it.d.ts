// What static/js/text/ uses of markdown-it: https://markdown-it.github.io/markdown-it/

export interface Token {
  type: string;
  tag: string;
  nesting: -1 | 0 | 1;
  attrs: [string, string][] | null;
  map: [number, number] | null;
  level: number;
  children: Token[] | null;
  content: string;
  markup: string;
  info: string;
  meta: unknown;
  block: boolean;
  hidden: boolean;
}

export interface Delimiter {
  marker: number;
  length: number;
  token: number;
  end: number;
  open: boolean;
  close: boolean;
}

export interface StateCore {
  src: string;
  env: Environment;
  tokens: Token[];
  md: MarkdownIt;
  Token: new (type: string, tag: string, nesting: -1 | 0 | 1) => Token;
}

export interface StateBlock {
  src: string;
  bMarks: number[];
  eMarks: number[];
  tShift: number[];
  sCount: number[];
  blkIndent: number;
  line: number;
  push(type: string, tag: string, nesting: -1 | 0 | 1): Token;
  getLines(begin: number, end: number, indent: number, keepLastLF: boolean): string;
  isEmpty(line: number): boolean;
}

export interface StateInline {
  src: string;
  env: Environment;
  pos: number;
  posMax: number;
  tokens: Token[];
  delimiters: Delimiter[];
  push(type: string, tag: string, nesting: -1 | 0 | 1): Token;
  scanDelims(start: number, canSplitWord: boolean): { can_open: boolean; can_close: boolean; length: number };
}

/** The passages that a text may cite, by number; and whether the text goes on after its end. */
export interface Environment {
  citations: Map<number, { href: string; title: string }>;
  isOpen?: boolean;
  isAtOpenEnd?: boolean;
}

interface Ruler<Rule> {
  at(name: string, rule: Rule): void;
  before(name: string, newName: string, rule: Rule, options?: { alt: string[] }): void;
  after(name: string, newName: string, rule: Rule): void;
}

export type InlineRule = (state: StateInline, silent: boolean) => boolean;
export type BlockRule = (state: StateBlock, start: number, end: number, silent: boolean) => boolean;

export default class MarkdownIt {
  constructor(preset: "commonmark", options: { html: boolean });
  utils: {
    isPunctChar(text: string): boolean;
    isMdAsciiPunct(code: number): boolean;
    isWhiteSpace(code: number): boolean;
  };
  core: { ruler: Ruler<(state: StateCore) => void> };
  block: { ruler: Ruler<BlockRule> };
  inline: {
    ruler: Ruler<InlineRule>;
    ruler2: Ruler<(state: StateInline) => void>;
    State: new (src: string, md: MarkdownIt, env: Environment, tokens: Token[]) => StateInline;
    parse(src: string, md: MarkdownIt, env: Environment, tokens: Token[]): void;
  };
  enable(rules: string[]): this;
  disable(rule: string): this;
  validateLink(url: string): boolean;
  parse(src: string, env: Environment): Token[];
}
