// Linked reading: a term of an equation, its code, its row in the table of symbols and its number by hand light up together.
// What belongs together comes from tools/linked.py. A marked element has the numbers of its links in data-linked.
(() => {
  "use strict";
  const links = JSON.parse(document.getElementById("linked").textContent);
  const all = (css, from = document) => [...from.querySelectorAll(css)];
  const parts = (ids) => ids.split(" ").filter(Boolean).flatMap((id) => all(`[data-linked~="${id}"]`));
  const open = (css) => all(css).filter((e) => !e.closest("details"));

  // ---- what is marked before the formulas are drawn
  const focusable = (e, ids) => {
    e.dataset.linked = ids;
    e.tabIndex = 0;
    e.setAttribute("aria-describedby", ids.split(" ").map((id) => `linked-${id}`).join(" "));
  };
  const wrap = (root, words) => { // the words of an element, its tags split where need be, in a span
    const from = root.textContent.indexOf(words), to = from + words.length, range = document.createRange();
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let at = 0; walk.nextNode(); at += walk.currentNode.length) {
      const node = walk.currentNode, end = at + node.length;
      if (at <= from && from < end) range.setStart(node, from - at);
      if (at < to && to <= end) range.setEnd(node, to - at);
    }
    const span = document.createElement("span");
    span.append(range.extractContents());
    range.insertNode(span);
    for (const e of [span.previousSibling, span.nextSibling]) if (e?.tagName === "SPAN" && !e.textContent) e.remove(); // What a split left empty
    return span;
  };
  const holder = (css, words) => open(css).find((e) => e.textContent.includes(words));
  for (const [words, ids] of links.code) focusable(wrap(holder("#code .sourceCode code, #what-it-does .sourceCode code", words), words), ids);
  for (const [words, ids] of links.hand) wrap(holder("#code p, #code li", words), words).dataset.linked = ids;
  for (const [first, ids] of links.row) focusable(all("#equation tr").find((tr) => tr.cells[0].textContent.trim() === first), ids);
  for (const m of open("#equation .math, #code .math")) {
    const tex = m.textContent, marked = links.tex[tex.slice(2, -2).trim()];
    if (marked) m.textContent = tex.slice(0, 2) + marked + tex.slice(-2);
  }

  // ---- the formulas: KaTeX keeps the marks, and each link has a button for the keyboard, heard and not seen
  const draw = window.renderMathInElement;
  window.renderMathInElement = (root, options) => {
    window.renderMathInElement = draw;
    draw(root, {...options, trust: ({command}) => command === "\\htmlData", strict: (code) => (code === "htmlExtension" ? "ignore" : "warn")});
    for (const e of all(".katex-html [data-linked]").reverse()) while (e.lastChild?.classList?.contains("mspace")) e.after(e.lastChild);
    links.said.forEach((said, id) => {
      const key = document.createElement("button");
      Object.assign(key, {type: "button", className: "linked-key", id: `linked-${id}`, textContent: `${said}. Enter leads to the code.`});
      key.dataset.linked = id;
      key.addEventListener("click", () => all(`pre [data-linked~="${id}"]`)[0].focus());
      document.querySelector(`#equation .katex [data-linked~="${id}"]`).closest(".math").append(key);
    });
  };

  // ---- what is lit: what the pointer is on, else what was chosen by a click, a tap or the keyboard
  let pointed = "", chosen = "";
  const linksAt = (e) => e.target.closest?.("[data-linked]")?.dataset.linked || "";
  const edges = ["above", "below"].map((side) => {
    const e = document.createElement("div");
    e.className = `linked-edge linked-${side}`;
    e.ariaHidden = "true";
    return document.body.appendChild(e);
  });
  const kind = (e) => (e.closest("tr") ? "table" : e.closest("pre") ? "code" : e.closest("#equation") ? "equation" : "by hand");
  const say = () => { // which lit places lie above and below the window
    const top = document.querySelector("#quarto-header")?.offsetHeight || 0, sides = {};
    for (const e of all(".linked-lit")) {
      const {top: start, bottom} = e.getBoundingClientRect(), side = bottom < top ? 0 : start > innerHeight ? 1 : 2;
      sides[kind(e)] = Math.max(side, sides[kind(e)] ?? side);
    }
    edges.forEach((e, side) => {
      const names = Object.keys(sides).filter((k) => sides[k] === side).join(", ");
      e.textContent = names && `${"↑↓"[side]} ${names}`;
    });
  };
  const show = () => {
    for (const e of all(".linked-lit")) e.classList.remove("linked-lit", "linked-at");
    const key = document.querySelector(".linked-key:focus-visible");
    for (const e of parts(pointed || chosen)) {
      e.classList.add("linked-lit");
      if (key && e.closest(".math") === key.closest(".math")) e.classList.add("linked-at");
    }
    say();
  };
  const on = (type, change) => document.addEventListener(type, (e) => { change(e); show(); });
  on("pointerover", (e) => { pointed = e.pointerType === "mouse" ? linksAt(e) : ""; });
  on("pointerleave", () => { pointed = ""; });
  on("pointerup", (e) => { chosen = linksAt(e) && chosen; });
  on("click", (e) => { chosen = linksAt(e); });
  on("focusin", (e) => { chosen = linksAt(e); });
  on("focusout", () => { chosen = ""; });
  on("keydown", (e) => { if (e.key === "Escape") pointed = chosen = ""; });
  document.addEventListener("scroll", say, {passive: true});
})();
