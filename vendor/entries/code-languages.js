// The line-by-line tokenizers of CodeMirror, by the names that follow ``` in Markdown.

import { c, clike, cpp, csharp, dart, java, kotlin, objectiveC, scala } from "@codemirror/legacy-modes/mode/clike";
import { clojure } from "@codemirror/legacy-modes/mode/clojure";
import { cmake } from "@codemirror/legacy-modes/mode/cmake";
import { css, less, sCSS } from "@codemirror/legacy-modes/mode/css";
import { diff } from "@codemirror/legacy-modes/mode/diff";
import { dockerFile } from "@codemirror/legacy-modes/mode/dockerfile";
import { elm } from "@codemirror/legacy-modes/mode/elm";
import { erlang } from "@codemirror/legacy-modes/mode/erlang";
import { go } from "@codemirror/legacy-modes/mode/go";
import { groovy } from "@codemirror/legacy-modes/mode/groovy";
import { haskell } from "@codemirror/legacy-modes/mode/haskell";
import { http } from "@codemirror/legacy-modes/mode/http";
import { javascript, json, typescript } from "@codemirror/legacy-modes/mode/javascript";
import { julia } from "@codemirror/legacy-modes/mode/julia";
import { lua } from "@codemirror/legacy-modes/mode/lua";
import { oCaml } from "@codemirror/legacy-modes/mode/mllike";
import { nginx } from "@codemirror/legacy-modes/mode/nginx";
import { octave } from "@codemirror/legacy-modes/mode/octave";
import { perl } from "@codemirror/legacy-modes/mode/perl";
import { powerShell } from "@codemirror/legacy-modes/mode/powershell";
import { properties } from "@codemirror/legacy-modes/mode/properties";
import { protobuf } from "@codemirror/legacy-modes/mode/protobuf";
import { python } from "@codemirror/legacy-modes/mode/python";
import { r } from "@codemirror/legacy-modes/mode/r";
import { ruby } from "@codemirror/legacy-modes/mode/ruby";
import { rust } from "@codemirror/legacy-modes/mode/rust";
import { shell } from "@codemirror/legacy-modes/mode/shell";
import { standardSQL } from "@codemirror/legacy-modes/mode/sql";
import { stex } from "@codemirror/legacy-modes/mode/stex";
import { swift } from "@codemirror/legacy-modes/mode/swift";
import { toml } from "@codemirror/legacy-modes/mode/toml";
import { vb } from "@codemirror/legacy-modes/mode/vb";
import { html, xml } from "@codemirror/legacy-modes/mode/xml";
import { yaml } from "@codemirror/legacy-modes/mode/yaml";

/** @param {string} words */
const set = (words) => Object.fromEntries(words.split(" ").map((word) => [word, true]));

const php = clike({
  name: "php",
  keywords: set(
    "abstract and as break case catch class clone const continue declare default do echo else elseif enum extends " +
      "final finally fn for foreach function global goto if implements include include_once instanceof insteadof " +
      "interface match namespace new or print private protected public readonly require require_once return static " +
      "switch throw trait try use var while xor yield",
  ),
  types: set("array bool callable float int iterable mixed never object string void self parent"),
  atoms: set("true false null"),
  hooks: {
    $(stream) {
      stream.eatWhile(/\w/);
      return "variable";
    },
    "#"(stream) {
      stream.skipToEnd();
      return "comment";
    },
  },
});

export const LANGUAGES = {
  bash: shell,
  c,
  clojure,
  cmake,
  console: shell,
  cpp,
  "c++": cpp,
  csharp,
  cs: csharp,
  "c#": csharp,
  css,
  dart,
  diff,
  dockerfile: dockerFile,
  docker: dockerFile,
  elm,
  erlang,
  go,
  golang: go,
  groovy,
  haskell,
  hs: haskell,
  html,
  http,
  ini: properties,
  java,
  javascript,
  js: javascript,
  json,
  jsonc: json,
  jsx: javascript,
  julia,
  kotlin,
  kt: kotlin,
  latex: stex,
  less,
  lua,
  matlab: octave,
  mjs: javascript,
  nginx,
  objc: objectiveC,
  "objective-c": objectiveC,
  ocaml: oCaml,
  octave,
  patch: diff,
  perl,
  php,
  powershell: powerShell,
  properties,
  proto: protobuf,
  protobuf,
  ps1: powerShell,
  py: python,
  python,
  python3: python,
  r,
  rb: ruby,
  rs: rust,
  ruby,
  rust,
  scala,
  scss: sCSS,
  sh: shell,
  shell,
  sql: standardSQL,
  svg: xml,
  swift,
  tex: stex,
  toml,
  ts: typescript,
  tsx: typescript,
  typescript,
  vb,
  vbnet: vb,
  xml,
  yaml,
  yml: yaml,
  zsh: shell,
};
