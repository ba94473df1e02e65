"""Answers with everything in them that Markdown has, for tests of how they are shown."""

PARTS = {
    "prose": "A first paragraph with **bold**, *lean*, ~~struck~~ and `code` words [1].\nIts second line.",
    "headings": "# Top\n\n## Pumps and *valves*\n\n###### Deep ##\n\nTotal\n-\n\nSum\n===",
    "list": "- one\n- two [2]\n  - inner\n  - more\n\n    a paragraph\n- three\n\n1. first\n2. second\n\n   ```sh\n   ls\n   ```",
    "tight then loose": "- a\n- b\n\n- c\n\n3) three\n4) four",
    "tasks": "- [ ] open\n- [x] **done** so far\n- [X] also\n\n  - [ ] inner",
    "quote": "> A quote\n> of two lines\n>\n> - with a list\n\n> another",
    "table": "| Pump | Days | Note |\n|:--|--:|:-:|\n| P7 | 3 | see [1] |\n| P8 | `x` | $x_1$ |\n\nName | Value\n--- | ---\na | b",
    "code": "```python\ndef pump(days):\n    \"\"\"Run.\"\"\"\n    return [days, 3.5]  # [1]\n```\n\n    indented [1]\n\n~~~\nplain\n~~~",
    "fence in a fence": "````md\n```js\nlet x = 1;\n```\n````",
    "maths": "Euler: $e^{i\\pi} + 1 = 0$, \\(a\\,b\\) and \\[c_1\\].\n\n$$\\frac{a}{b}$$\n\n\\[\n\\int_0^1 x\\,dx\n\\]\n\nSo $$x = 1$$ here.",
    "prices": "was $480, now $455; (~$2.20) and (~$9); $/km or $/day; **60$** or **25$**; $HOME 12 $HOME; 14~18 and 22~27",
    "links": "See [the guide](https://example.org/a_b?c=d \"Title\"), <https://example.org>, ![chart](https://example.org/c.png) and [bad](javascript:x).",
    "citations": "So it is [3][1] [2]. And [1, 7], [9], \\[2] and [٢].\n\n[1]: Handbook",
    "Japanese": "箱は**「青色」**です。**注意（寒い日）。**窓を閉める。**“青色”**の箱。~~「青」~~です。𠮷**「野」**家",
    "Hebrew": "- שלום עולם\n\n- עוד פריט\n\n> ציטוט **מודגש** כאן",
    "signs": "2 * 3 ** 4, a_b_c, 5*3=15, <b>tag</b> &amp; &copy; &nosuch; \\* \\a C:\\temp\n\nline  \nbreak\\\nagain\n\n***\n\n* * *",
    "mermaid": "```mermaid\ngraph TD\n  A --> B\n```\n\nend",
    "odd": "**unclosed *marks `and ticks\n\n[half](https://exa\n\n| a | b\n\n$$\\frac{a\n\n```js\nlet open",
}  # fmt: skip
EVERYTHING = "\n\n".join(PARTS.values())
