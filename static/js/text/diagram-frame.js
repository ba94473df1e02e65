// Draws diagrams in the frame of templates/diagram_frame.html. It is no module: a frame without origin may load only scripts.

(() => {
  const { mermaid } = globalThis;
  const TAG = /(?<!<)<(?=[a-z/!])(?!br *\/?>)/gi; // Mermaid would parse the HTML of labels; its own marks are <-- and <<
  let count = 0;

  /** @param {string} theme */
  const options = (theme) => ({
    deterministicIds: true,
    flowchart: { htmlLabels: false },
    fontFamily: "system-ui, sans-serif",
    htmlLabels: false, // a picture with HTML in it cannot be saved as PNG
    maxEdges: 400,
    maxTextSize: 20000,
    secure: [
      "secure",
      "securityLevel",
      "startOnLoad",
      "maxTextSize",
      "maxEdges",
      "suppressErrorRendering",
      "htmlLabels",
    ],
    securityLevel: "strict",
    startOnLoad: false,
    suppressErrorRendering: true,
    theme,
  });

  /** @param {MessageEvent<{ text: string, theme: string }>} message */
  const draw = async ({ data, source }) => {
    if (source !== parent) return;
    try {
      mermaid.initialize(options(data.theme));
      count += 1;
      const { svg } = await mermaid.render(`diagram-${count}`, data.text.replaceAll(TAG, "#lt;"));
      reply(asDrawing(svg));
    } catch (error) {
      reply({ error: String(error) });
    }
    document.body.replaceChildren();
  };

  /**
   * Return a drawing that is as large as what it shows, without links.
   *
   * @param {string} text
   */
  const asDrawing = (text) => {
    const { documentElement: svg } = new DOMParser().parseFromString(text, "image/svg+xml");
    const [, , width = 0, height = 0] = (svg.getAttribute("viewBox") ?? "").split(/\s+/).map(Number);
    svg.removeAttribute("style");
    svg.setAttribute("width", `${width}`);
    svg.setAttribute("height", `${height}`);
    for (const link of svg.querySelectorAll("a")) {
      for (const name of ["href", "xlink:href", "target"]) link.removeAttribute(name);
    }
    const title = svg.querySelector("title")?.textContent || svg.getAttribute("aria-roledescription") || "drawing";
    return { svg: new XMLSerializer().serializeToString(svg), width, height, title };
  };

  /** @param {Record<string, string | number | boolean>} message */
  const reply = (message) => parent.postMessage(message, "*"); // this frame cannot know the origin of its parent

  addEventListener("message", draw);
  reply({ isReady: true });
})();
