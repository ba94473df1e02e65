// What static/js/text/ uses of KaTeX: https://katex.org/docs/options

export interface Options {
  displayMode?: boolean;
  errorColor?: string;
  maxExpand?: number;
  maxSize?: number;
  output?: "html" | "mathml" | "htmlAndMathml";
  strict?: false;
  throwOnError?: boolean;
  trust?: false;
}

declare const katex: { render(source: string, element: HTMLElement, options: Options): void };
export default katex;
